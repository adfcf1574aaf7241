// A PEFT folder with a random adapter of the demo model's queries and values.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/model_folder.hpp"

namespace gpumodel::test {

inline std::string random_floats(std::mt19937& random, std::int64_t count, float size) {
  std::normal_distribution<float> normal(0.0f, size);
  std::string bytes;
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = normal(random);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

// Of SmolLM2-135M.
struct AdapterFolder : TemporaryFolder {
  static constexpr int kLayers = 30;
  static constexpr std::int64_t kHidden = 576;

  explicit AdapterFolder(unsigned seed, std::int64_t rank = 4) {
    std::mt19937 random(seed);
    std::vector<TestTensor> tensors;
    for (int layer = 0; layer < kLayers; ++layer)
      for (const auto& [module, outputs] :
           {std::pair<const char*, std::int64_t>{"q_proj", kHidden}, {"v_proj", 192}}) {
        const std::string name = "base_model.model.model.layers." + std::to_string(layer) +
                                 ".self_attn." + module + ".lora_";
        tensors.push_back({name + "A.weight",
                           "F32",
                           {rank, kHidden},
                           random_floats(random, rank * kHidden, 0.05f)});
        tensors.push_back({name + "B.weight",
                           "F32",
                           {outputs, rank},
                           random_floats(random, outputs * rank, 0.1f)});
      }
    write("adapter_model.safetensors", safetensors_file(tensors));
    write("adapter_config.json", R"({"peft_type": "LORA", "r": )" + std::to_string(rank) +
                                     R"(, "lora_alpha": 8, "task_type": "CAUSAL_LM"})");
  }
};

}  // namespace gpumodel::test

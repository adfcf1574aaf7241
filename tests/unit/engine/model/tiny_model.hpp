// A complete random model folder for layout and loader tests, made without Python.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "engine/model/convert.hpp"
#include "support/model_folder.hpp"

namespace gpumodel::test {

struct TinyOptions {
  std::string architecture = "LlamaForCausalLM";
  bool tied = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  // Dtype by tensor, "" for all others.
  std::map<std::string, std::string> dtypes{{"", "F32"}};
};

// hidden 12, 2 layers, 3 heads and 1 KV head of 4, intermediate 10, vocabulary 17.
class TinyModel {
 public:
  explicit TinyModel(const TinyOptions& options) : options_(options) {
    const bool biased = is("Qwen2") || options.attention_bias;
    add("model.embed_tokens.weight", {17, 12});
    for (int layer = 0; layer < 2; ++layer) {
      const std::string at = "model.layers." + std::to_string(layer) + ".";
      add(at + "input_layernorm.weight", {12});
      add(at + "post_attention_layernorm.weight", {12});
      if (is("Gemma")) {
        add(at + "pre_feedforward_layernorm.weight", {12});
        add(at + "post_feedforward_layernorm.weight", {12});
      }
      if (is("Qwen3") || is("Gemma3")) {
        add(at + "self_attn.q_norm.weight", {4});
        add(at + "self_attn.k_norm.weight", {4});
      }
      if (is("Phi3")) {
        linear(at + "self_attn.qkv_proj", 20, 12, false);
        linear(at + "mlp.gate_up_proj", 20, 12, false);
      } else {
        linear(at + "self_attn.q_proj", 12, 12, biased);
        linear(at + "self_attn.k_proj", 4, 12, biased);
        linear(at + "self_attn.v_proj", 4, 12, biased);
        linear(at + "mlp.gate_proj", 10, 12, options.mlp_bias);
        linear(at + "mlp.up_proj", 10, 12, options.mlp_bias);
      }
      linear(at + "self_attn.o_proj", 12, 12, options.attention_bias);
      linear(at + "mlp.down_proj", 12, 10, options.mlp_bias);
    }
    add("model.norm.weight", {12});
    if (!options.tied) add("lm_head.weight", {17, 12});
  }

  std::string config() const {
    return nlohmann::json{{"architectures", {options_.architecture}},
                          {"hidden_size", 12},
                          {"num_hidden_layers", 2},
                          {"num_attention_heads", 3},
                          {"num_key_value_heads", 1},
                          {"head_dim", 4},
                          {"intermediate_size", 10},
                          {"vocab_size", 17},
                          {"max_position_embeddings", 64},
                          {"attention_bias", options_.attention_bias},
                          {"mlp_bias", options_.mlp_bias},
                          {"tie_word_embeddings", options_.tied}}
        .dump();
  }

  void write(const TemporaryFolder& folder) const {
    folder.write("config.json", config());
    folder.write("model.safetensors", safetensors_file(tensors));
  }

  // What the checkpoint says, as floats, in the dtype it is stored in.
  std::vector<float> values(const std::string& name) const {
    const TestTensor& tensor = find(name);
    const bool wide = tensor.dtype == "F32";
    std::vector<float> result(tensor.data.size() / (wide ? 4 : 2));
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (wide) {
        std::memcpy(&result[i], tensor.data.data() + 4 * i, 4);
        continue;
      }
      std::uint16_t bits = 0;
      std::memcpy(&bits, tensor.data.data() + 2 * i, 2);
      result[i] = tensor.dtype == "F16" ? engine::model::f16_to_float(bits)
                                        : engine::model::bf16_to_float(bits);
    }
    return result;
  }

  const TestTensor& find(const std::string& name) const {
    for (const TestTensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::out_of_range(name);
  }

  std::vector<TestTensor> tensors;

 private:
  bool is(const char* family) const { return options_.architecture.rfind(family, 0) == 0; }

  void linear(const std::string& name, std::int64_t rows, std::int64_t columns, bool bias) {
    add(name + ".weight", {rows, columns});
    if (bias) add(name + ".bias", {rows});
  }

  void add(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto own = options_.dtypes.find(name);
    const std::string dtype = own != options_.dtypes.end() ? own->second : options_.dtypes.at("");
    std::size_t elements = 1;
    for (const std::int64_t size : shape) elements *= static_cast<std::size_t>(size);
    std::string data;
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < elements; ++i) {
      const float value = normal(random_);
      if (dtype == "F32") {
        data.append(reinterpret_cast<const char*>(&value), 4);
      } else {
        const std::uint16_t bits = dtype == "F16" ? engine::model::float_to_f16(value)
                                                  : engine::model::float_to_bf16(value);
        data.append(reinterpret_cast<const char*>(&bits), 2);
      }
    }
    tensors.push_back({name, dtype, shape, data});
  }

  TinyOptions options_;
  std::mt19937 random_{7};
};

}  // namespace gpumodel::test

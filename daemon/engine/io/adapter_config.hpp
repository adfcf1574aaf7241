// adapter_config.json of a PEFT folder: how the tensors beside it are applied.
//
// Source: PEFT 0.21, src/peft/tuners/lora/{config,layer,variants}.py and src/peft/utils/other.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpumodel::engine::io {

inline constexpr const char* kAdapterConfigName = "adapter_config.json";
inline constexpr std::int32_t kMaxAdapterRank = 4096;

// Holds for the modules whose path, or the end of it from a dot on, the expression matches.
struct ModuleValue {
  std::string pattern;
  double value = 0.0;
};

struct AdapterConfig {
  std::int32_t rank = 8;  // 1 to kMaxAdapterRank
  double alpha = 8.0;
  bool rslora = false;  // alpha / sqrt(rank) instead of alpha / rank
  // In the order of the file: the first that matches a module holds for it.
  std::vector<ModuleValue> ranks;
  std::vector<ModuleValue> alphas;

  double scale(double own_alpha, std::int32_t own_rank) const;
};

// Plain LoRA of a causal language model. Whatever else would change what the adapter computes, and
// what nobody here knows, is refused by its name; keys that only say how it was trained, or where
// it is applied (which its tensors say, too), are passed over. Throws BadModel about the file.
AdapterConfig parse_adapter_config(std::string_view text);

}  // namespace gpumodel::engine::io

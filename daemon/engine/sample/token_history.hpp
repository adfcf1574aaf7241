// Which tokens a sequence holds already, for the penalties.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace gpumodel::engine::sample {

class TokenHistory {
 public:
  void add_prompt(std::span<const std::int32_t> tokens) {
    for (const std::int32_t token : tokens) output_counts_.try_emplace(token, 0u);
  }
  void add_output(std::int32_t token) { ++output_counts_[token]; }

  // Every token of prompt and output once, with how often the output has it (0: the prompt alone).
  const std::unordered_map<std::int32_t, std::uint32_t>& output_counts() const {
    return output_counts_;
  }

 private:
  std::unordered_map<std::int32_t, std::uint32_t> output_counts_;
};

}  // namespace gpumodel::engine::sample

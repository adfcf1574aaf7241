// What a model's weights can be kept as: names in configurations, requests and reports.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace gpumodel::wire {

inline constexpr std::array<const char*, 6> kDtypes{"auto", "bf16", "fp16", "fp32", "int8", "int4"};
inline constexpr const char* kDtypesText = "auto, bf16, fp16, fp32, int8 or int4";

inline bool is_dtype(std::string_view name) {
  return std::find(kDtypes.begin(), kDtypes.end(), name) != kDtypes.end();
}

}  // namespace gpumodel::wire

// Selection from a vocabulary without sorting it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gpumodel::engine::sample {

// The index of the largest value, the lowest of equals as torch.argmax has it; -1 where there is
// none above -infinity. NaN is never the largest.
std::int32_t argmax(std::span<const float> values);

// The k-th largest value, k at least 1; -infinity where there are fewer than k above it. `scratch`
// only keeps its memory between calls. One pass over the values, O(values + k).
float kth_largest(std::span<const float> values, std::size_t k, std::vector<float>& scratch);

// The indices of the `count` largest, largest first, the lower index first among equals; fewer
// where there are fewer values above -infinity. Meant for a small `count`.
std::vector<std::int32_t> largest(std::span<const float> values, std::size_t count);

}  // namespace gpumodel::engine::sample

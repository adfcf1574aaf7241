// Attention over pages; contract in cpu/kernels.hpp.
#pragma once

#include "engine/device/cpu/kernels.hpp"

namespace gpumodel::engine::device::cpu::avx2 {

void attention(const AttentionArgs& args, float* scratch);
std::int64_t attention_scratch_floats(std::int64_t head_dim);

}  // namespace gpumodel::engine::device::cpu::avx2

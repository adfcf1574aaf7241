// Attention over pages; contract in cpu/kernels.hpp. Over pages of another type than bf16 it is
// AVX2's.
#pragma once

#include "engine/device/cpu/kernels.hpp"

namespace gpumodel::engine::device::cpu::avx512 {

void attention(const AttentionArgs& args, float* scratch);
std::int64_t attention_scratch_floats(std::int64_t head_dim);

}  // namespace gpumodel::engine::device::cpu::avx512

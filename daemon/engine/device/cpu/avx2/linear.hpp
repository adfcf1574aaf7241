// Products with weight matrices; contracts in cpu/kernels.hpp.
#pragma once

#include "engine/device/cpu/kernels.hpp"

namespace gpumodel::engine::device::cpu::avx2 {

void linear_few_rows(const LinearArgs& args, std::int64_t first, std::int64_t last);
void linear_many_rows(const LinearArgs& args, std::int64_t first, std::int64_t last,
                      float* scratch);
std::int64_t linear_scratch_floats(std::int64_t columns);
void pack_input(Input input, const float* x, std::int64_t columns, std::byte* to);

}  // namespace gpumodel::engine::device::cpu::avx2

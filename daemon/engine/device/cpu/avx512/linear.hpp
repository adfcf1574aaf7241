// Products with weight matrices; contracts in cpu/kernels.hpp. Of an x in
// floats they are AVX2's.
#pragma once

#include "engine/device/cpu/kernels.hpp"

namespace gpumodel::engine::device::cpu::avx512 {

void linear_few_rows(const LinearArgs& args, std::int64_t first, std::int64_t last);
void linear_many_rows(const LinearArgs& args, std::int64_t first, std::int64_t last,
                      float* scratch);
std::int64_t linear_scratch_floats(std::int64_t columns);

}  // namespace gpumodel::engine::device::cpu::avx512

// Compiled for any x86-64 processor: asks which one this is before anything built for AVX2 can run.
#include <cpuid.h>

#include "engine/device/cpu/avx2/attention.hpp"
#include "engine/device/cpu/avx2/elementwise.hpp"
#include "engine/device/cpu/avx2/linear.hpp"

namespace gpumodel::engine::device::cpu {
namespace {

// __builtin_cpu_supports() has no name for it in every compiler.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

bool is_many(MatrixFormat, std::int64_t rows) { return rows >= 12; }

Input input_of(MatrixFormat format, std::int64_t rows) {
  return is_quantized(format) && !is_many(format, rows) ? Input::blocks : Input::floats;
}

}  // namespace

const Kernels* avx2_kernels() {
  static constexpr Kernels kKernels{
      .name = "avx2",
      .input_of = input_of,
      .pack_input = avx2::pack_input,
      .linear_few_rows = avx2::linear_few_rows,
      .linear_many_rows = avx2::linear_many_rows,
      .attention = avx2::attention,
      .rms_norm = avx2::rms_norm,
      .gate = avx2::gate,
      .softcap = avx2::softcap,
      .multiply = avx2::multiply,
      .rotate = avx2::rotate,
      .unpack_row = avx2::unpack_row,
      .pack = avx2::pack,
      .is_many = is_many,
      .linear_scratch_floats = avx2::linear_scratch_floats,
      .attention_scratch_floats = avx2::attention_scratch_floats,
  };
  const bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  return runs ? &kKernels : nullptr;
}

}  // namespace gpumodel::engine::device::cpu

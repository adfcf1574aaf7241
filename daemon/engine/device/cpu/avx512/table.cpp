// Compiled for any x86-64 processor: asks which one this is before anything built for AVX-512 can
// run. What AVX-512 makes no faster is AVX2's.
#include "engine/device/cpu/avx2/attention.hpp"
#include "engine/device/cpu/avx2/elementwise.hpp"
#include "engine/device/cpu/avx2/linear.hpp"
#include "engine/device/cpu/avx512/attention.hpp"
#include "engine/device/cpu/avx512/linear.hpp"

namespace gpumodel::engine::device::cpu {
namespace {

#ifdef GPUMODEL_AVX2_ATTENTION  // this compiler cannot build ours
constexpr auto kAttention = avx2::attention;
constexpr auto kAttentionScratch = avx2::attention_scratch_floats;
#else
constexpr auto kAttention = avx512::attention;
constexpr auto kAttentionScratch = avx512::attention_scratch_floats;
#endif

// From so many rows on, widening quantised weights once is cheaper than scaling each row's sums.
constexpr std::int64_t kWidenedFrom = 8;

bool is_plain_float(MatrixFormat format) {
  return format == MatrixFormat::f32 || format == MatrixFormat::f16;
}

bool is_many(MatrixFormat format, std::int64_t rows) {
  return rows >= (is_plain_float(format) ? 12 : kWidenedFrom);
}

Input input_of(MatrixFormat format, std::int64_t rows) {
  if (is_plain_float(format)) return Input::floats;
  return is_quantized(format) && !is_many(format, rows) ? Input::blocks : Input::bf16_pair;
}

}  // namespace

const Kernels* avx512_kernels() {
  static constexpr Kernels kKernels{
      .name = "avx512",
      .input_of = input_of,
      .pack_input = avx2::pack_input,
      .linear_few_rows = avx512::linear_few_rows,
      .linear_many_rows = avx512::linear_many_rows,
      .attention = kAttention,
      .rms_norm = avx2::rms_norm,
      .gate = avx2::gate,
      .softcap = avx2::softcap,
      .multiply = avx2::multiply,
      .rotate = avx2::rotate,
      .unpack_row = avx2::unpack_row,
      .pack = avx2::pack,
      .is_many = is_many,
      .linear_scratch_floats = avx512::linear_scratch_floats,
      .attention_scratch_floats = kAttentionScratch,
  };
  const bool runs = avx2_kernels() != nullptr && __builtin_cpu_supports("avx512f") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
                    __builtin_cpu_supports("avx512bf16");
  return runs ? &kKernels : nullptr;
}

}  // namespace gpumodel::engine::device::cpu

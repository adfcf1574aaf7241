#include "engine/device/cpu/avx2/elementwise.hpp"
#include "engine/device/cpu/avx2/linear.hpp"
#include "engine/device/cpu/avx2/simd.hpp"
#include "engine/device/cpu/blocks.hpp"

namespace gpumodel::engine::device::cpu::avx2 {
namespace {

__m256 load_from(const float* x, std::int64_t left) {
  return left >= 8   ? _mm256_loadu_ps(x)
         : left <= 0 ? _mm256_setzero_ps()
                     : _mm256_maskload_ps(x, lanes(left));
}

// 32 integers of four vectors of floats, in order.
__m256i narrow(const __m256i (&v)[4]) {
  const __m256i low = _mm256_packs_epi32(v[0], v[1]);
  const __m256i high = _mm256_packs_epi32(v[2], v[3]);
  return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high),
                                     _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// Minus the sums of four neighbours each.
__m256i minus_sums(__m256i values) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), values);
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(-1));
}

// Returns the scale.
float pack_block(const float* x, std::int64_t left, std::int8_t* values, std::int32_t* sums) {
  __m256 v[8];
  __m256 most = _mm256_setzero_ps();
  const __m256 sign = _mm256_set1_ps(-0.0f);
  for (int i = 0; i < 8; ++i) {
    v[i] = load_from(x + 8 * i, left - 8 * i);
    most = _mm256_max_ps(most, _mm256_andnot_ps(sign, v[i]));
  }
  const float largest = max8(most);
  const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
  for (int half = 0; half < 2; ++half) {
    __m256i integers[4];
    for (int i = 0; i < 4; ++i)
      integers[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[4 * half + i], _mm256_set1_ps(inverse)));
    const __m256i bytes = narrow(integers);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + 32 * half), bytes);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 8 * half), minus_sums(bytes));
  }
  return largest / 127.0f;
}

}  // namespace

void pack_input(Input input, const float* x, std::int64_t columns, std::byte* to) {
  if (input == Input::bf16) {
    pack(x, columns, io::DType::bf16, to);
    std::memset(to + 2 * columns, 0,
                static_cast<std::size_t>(input_bytes(input, columns) - 2 * columns));
    return;
  }
  auto* values = reinterpret_cast<std::int8_t*>(to);
  auto* sums = reinterpret_cast<std::int32_t*>(to + sums_offset(columns));
  auto* scales = reinterpret_cast<float*>(to + scales_offset(columns));
  for (std::int64_t block = 0; block < blocks_of(columns); ++block) {
    const std::int64_t first = block * kBlockColumns;
    scales[block] = pack_block(x + first, columns - first, values + first, sums + 16 * block);
  }
}

}  // namespace gpumodel::engine::device::cpu::avx2

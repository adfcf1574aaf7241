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

// Sums of four neighbours each.
__m256i sums_of(__m256i bytes) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

void store(void* to, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }

struct BlockBytes {
  std::int8_t* high;
  std::int8_t* low;
  std::int32_t* minus_sums;
};

// Returns the scale. The largest magnitude becomes 127 * 256.
float pack_block(const float* x, std::int64_t left, const BlockBytes& to) {
  __m256 v[8];
  __m256 most = _mm256_setzero_ps();
  const __m256 sign = _mm256_set1_ps(-0.0f);
  for (int i = 0; i < 8; ++i) {
    v[i] = load_from(x + 8 * i, left - 8 * i);
    most = _mm256_max_ps(most, _mm256_andnot_ps(sign, v[i]));
  }
  constexpr float kLargest = 127.0f * 256.0f;
  const float largest = max8(most);
  const __m256 inverse = _mm256_set1_ps(largest > 0.0f ? kLargest / largest : 0.0f);
  for (int half = 0; half < 2; ++half) {
    __m256i high[4], low[4];
    for (int i = 0; i < 4; ++i) {
      const __m256i integer = _mm256_cvtps_epi32(_mm256_mul_ps(v[4 * half + i], inverse));
      high[i] = _mm256_srai_epi32(_mm256_add_epi32(integer, _mm256_set1_epi32(128)), 8);
      // No byte is -128, whose sign some instructions cannot turn.
      low[i] = _mm256_max_epi32(_mm256_sub_epi32(integer, _mm256_slli_epi32(high[i], 8)),
                                _mm256_set1_epi32(-127));
    }
    const __m256i high_bytes = narrow(high), low_bytes = narrow(low);
    const __m256i sums =
        _mm256_add_epi32(_mm256_slli_epi32(sums_of(high_bytes), 8), sums_of(low_bytes));
    store(to.high + 32 * half, high_bytes);
    store(to.low + 32 * half, low_bytes);
    store(to.minus_sums + 8 * half, _mm256_sub_epi32(_mm256_setzero_si256(), sums));
  }
  return largest / kLargest;
}

void pack_blocks(const float* x, std::int64_t columns, std::byte* to) {
  auto* high = reinterpret_cast<std::int8_t*>(to);
  auto* low = reinterpret_cast<std::int8_t*>(to + low_offset(columns));
  auto* sums = reinterpret_cast<std::int32_t*>(to + sums_offset(columns));
  auto* scales = reinterpret_cast<float*>(to + scales_offset(columns));
  for (std::int64_t block = 0; block < blocks_of(columns); ++block) {
    const std::int64_t first = block * kBlockColumns;
    scales[block] =
        pack_block(x + first, columns - first, {high + first, low + first, sums + 16 * block});
  }
}

void pack_bf16_pair(const float* x, std::int64_t columns, std::byte* to) {
  const std::int64_t bytes = input_bytes(Input::bf16_pair, columns);
  std::memset(to, 0, static_cast<std::size_t>(bytes));
  auto* high = reinterpret_cast<BFloat16*>(to);
  auto* low = reinterpret_cast<BFloat16*>(to + bytes / 2);
  for (std::int64_t k = 0; k < columns; k += 8) {
    const std::int64_t count = columns - k < 8 ? columns - k : 8;
    alignas(32) float lost[8];
    pack(x + k, count, io::DType::bf16, high + k);
    // A row has room for whole vectors, and zeros behind its columns.
    _mm256_store_ps(lost, _mm256_sub_ps(load_from(x + k, count), load8(high + k)));
    pack(lost, count, io::DType::bf16, low + k);
  }
}

}  // namespace

void pack_input(Input input, const float* x, std::int64_t columns, std::byte* to) {
  switch (input) {
    case Input::floats:
      return;
    case Input::bf16_pair:
      return pack_bf16_pair(x, columns, to);
    case Input::blocks:
      return pack_blocks(x, columns, to);
  }
}

}  // namespace gpumodel::engine::device::cpu::avx2

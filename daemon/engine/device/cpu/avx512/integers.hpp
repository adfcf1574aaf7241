// Products of quantised weights with blocks of integers (cpu/blocks.hpp), by the instruction that
// multiplies unsigned by signed bytes and adds four products to an integer. Weights are read as
// they lie, with an offset that makes them unsigned; the blocks' sums take it off again, exactly.
#pragma once

#include "engine/device/cpu/avx512/sums.hpp"
#include "engine/device/cpu/blocks.hpp"

namespace gpumodel::engine::device::cpu::avx512 {
namespace {

inline __mmask64 first_bytes(std::int64_t count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

// Both have the same members:
//   kOffsetBits         weights are stored plus 1 << kOffsetBits
//   load(row, block)    64 weights, unsigned; load_last(row, block, columns) where fewer are left
//   scales(row, block)  what the block's sums are multiplied by, where kHasBlockScales
//   address(row, block), factors()
class Int8Weights {
 public:
  static constexpr int kOffsetBits = 7;
  static constexpr bool kHasBlockScales = false;

  Int8Weights(const MatrixView& w, std::int64_t row)
      : first_(static_cast<const std::int8_t*>(w.data) + row * w.columns),
        factors_(static_cast<const float*>(w.scales) + row),
        stride_(w.columns) {}

  const void* address(std::int64_t row, std::int64_t block) const {
    return first_ + row * stride_ + block * kBlockColumns;
  }
  __m512i load(std::int64_t row, std::int64_t block) const {
    return _mm512_xor_si512(_mm512_loadu_si512(address(row, block)), _mm512_set1_epi8(-128));
  }
  __m512i load_last(std::int64_t row, std::int64_t block, std::int64_t columns) const {
    return _mm512_xor_si512(_mm512_maskz_loadu_epi8(first_bytes(columns), address(row, block)),
                            _mm512_set1_epi8(-128));
  }
  const float* factors() const { return factors_; }

 private:
  const std::int8_t* first_;
  const float* factors_;
  std::int64_t stride_;
};

class Int4Weights {
 public:
  static constexpr int kOffsetBits = 3;
  static constexpr bool kHasBlockScales = true;

  Int4Weights(const MatrixView& w, std::int64_t row)
      : groups_(groups_of(w.columns)),
        first_(static_cast<const std::uint8_t*>(w.data) + row * groups_ * kGroupBytes),
        scales_(static_cast<const std::uint16_t*>(w.scales) + row * groups_) {}

  const void* address(std::int64_t row, std::int64_t block) const {
    return first_ + (row * groups_ + 2 * block) * kGroupBytes;
  }
  __m512i load(std::int64_t row, std::int64_t block) const {
    return spread(_mm256_loadu_si256(static_cast<const __m256i*>(address(row, block))));
  }
  __m512i load_last(std::int64_t row, std::int64_t block, std::int64_t columns) const {
    if (columns > kGroupColumns) return load(row, block);
    const auto* from = static_cast<const __m128i*>(address(row, block));
    return spread(_mm256_zextsi128_si256(_mm_loadu_si128(from)));
  }
  __m512 scales(std::int64_t row, std::int64_t block) const {
    const std::uint16_t* from = scales_ + row * groups_ + 2 * block;
    const bool has_two = 2 * block + 1 < groups_;
    const unsigned both = from[0] | (has_two ? unsigned{from[1]} << 16 : 0u);
    const __m128 pair = _mm_cvtph_ps(_mm_cvtsi32_si128(static_cast<int>(both)));
    const __m512i index = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    return _mm512_permutexvar_ps(index, _mm512_castps128_ps512(pair));
  }
  const float* factors() const { return nullptr; }

 private:
  static constexpr std::int64_t kGroupBytes = kGroupColumns / 2;

  // Two groups' bytes: each group's low halves, then its high halves.
  static __m512i spread(__m256i bytes) {
    const __m512i twice = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 1, 0, 1, 2, 3, 2, 3),
                                                   _mm512_castsi256_si512(bytes));
    const __m512i shift = _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4);
    return _mm512_and_si512(_mm512_srlv_epi64(twice, shift), _mm512_set1_epi8(15));
  }

  std::int64_t groups_;
  const std::uint8_t* first_;
  const std::uint16_t* scales_;
};

template <int W, int X, class Weights>
inline void integer_tile(const LinearArgs& args, std::int64_t w_row, std::int64_t x_row) {
  const std::int64_t columns = args.w.columns;
  const Weights w(args.w, w_row);
  const auto row_of = [&](int j) {
    return BlockedRow(args.packed + (x_row + j) * args.packed_stride, columns);
  };
  __m512 sum[W][X];
  for (auto& row : sum)
    for (auto& value : row) value = _mm512_setzero_ps();
  const auto add_block = [&](std::int64_t block, const auto& load) {
    __m512i high[X], low[X], offset[X];
    __m512 scale[X];
#pragma GCC unroll 4
    for (int j = 0; j < X; ++j) {
      const BlockedRow x = row_of(j);
      high[j] = _mm512_loadu_si512(x.high + kBlockColumns * block);
      low[j] = _mm512_loadu_si512(x.low + kBlockColumns * block);
      offset[j] =
          _mm512_slli_epi32(_mm512_loadu_si512(x.minus_sums + 16 * block), Weights::kOffsetBits);
      scale[j] = _mm512_set1_ps(x.scales[block]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < W; ++i) {
      const __m512i weights = load(i);
      __m512 own = _mm512_setzero_ps();
      if constexpr (Weights::kHasBlockScales) own = w.scales(i, block);
#pragma GCC unroll 4
      for (int j = 0; j < X; ++j) {
        const __m512i coarse = _mm512_dpbusd_epi32(_mm512_setzero_si512(), weights, high[j]);
        const __m512i start = _mm512_add_epi32(_mm512_slli_epi32(coarse, 8), offset[j]);
        const __m512 products = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(start, weights, low[j]));
        if constexpr (Weights::kHasBlockScales)
          sum[i][j] = _mm512_fmadd_ps(products, _mm512_mul_ps(own, scale[j]), sum[i][j]);
        else
          sum[i][j] = _mm512_fmadd_ps(products, scale[j], sum[i][j]);
      }
    }
  };
  const std::int64_t whole = columns / kBlockColumns;
  for (std::int64_t block = 0; block < whole; ++block) {
    add_block(block, [&](int i) {
      // The hardware stops at every page; the next W rows are where the weights go on.
      _mm_prefetch(static_cast<const char*>(w.address(W + i, block)), _MM_HINT_T0);
      return w.load(i, block);
    });
  }
  if (const std::int64_t left = columns - whole * kBlockColumns; left > 0)
    add_block(whole, [&](int i) { return w.load_last(i, whole, left); });
  put<W, X>(args, w_row, x_row, sum, w.factors());
}

}  // namespace
}  // namespace gpumodel::engine::device::cpu::avx512

// Products of quantised weights with blocks of integers (cpu/blocks.hpp), by the instruction that
// multiplies unsigned by signed bytes and adds two products to sixteen bits: no two of these
// overflow them.
#pragma once

#include "engine/device/cpu/avx2/simd.hpp"
#include "engine/device/cpu/blocks.hpp"

namespace gpumodel::engine::device::cpu::avx2 {
namespace {

// The first `bytes` of 32, zeros behind them.
inline __m256i load_bytes(const void* from, std::int64_t bytes) {
  if (bytes >= 32) return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  alignas(32) std::uint8_t buffer[32] = {};
  std::memcpy(buffer, from, static_cast<std::size_t>(bytes));
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(buffer));
}

// Sums of four neighbours' products each.
inline __m256i quads(__m256i unsigned_bytes, __m256i signed_bytes) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(unsigned_bytes, signed_bytes),
                           _mm256_set1_epi16(1));
}

// The block's half of high or of low bytes.
inline __m256i bytes_of(const std::int8_t* row, std::int64_t block, int half) {
  const auto* from = row + kBlockColumns * block + 32 * half;
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// Both have the same members: load() takes a block's weights of one row, of which `columns` are
// left in the row, and add() returns `sum` plus their products with the block of x.
class Int8Weights {
 public:
  struct Loaded {
    __m256i half[2];
  };

  Int8Weights(const MatrixView& w, std::int64_t row)
      : first_(static_cast<const std::int8_t*>(w.data) + row * w.columns),
        factors_(static_cast<const float*>(w.scales) + row),
        stride_(w.columns) {}

  const void* address(std::int64_t row, std::int64_t block) const {
    return first_ + row * stride_ + block * kBlockColumns;
  }
  Loaded load(std::int64_t row, std::int64_t block, std::int64_t columns) const {
    const auto* from = static_cast<const std::int8_t*>(address(row, block));
    const std::int64_t second = columns > 32 ? columns - 32 : 0;
    return {{load_bytes(from, columns), load_bytes(from + 32, second)}};
  }
  static __m256 add(__m256 sum, const Loaded& w, const BlockedRow& x, std::int64_t block) {
    __m256i coarse = _mm256_setzero_si256(), fine = coarse;
    for (int i = 0; i < 2; ++i) {
      const __m256i size = _mm256_abs_epi8(w.half[i]);
      const __m256i high = _mm256_sign_epi8(bytes_of(x.high, block, i), w.half[i]);
      const __m256i low = _mm256_sign_epi8(bytes_of(x.low, block, i), w.half[i]);
      coarse = _mm256_add_epi32(coarse, quads(size, high));
      fine = _mm256_add_epi32(fine, quads(size, low));
    }
    const __m256i total = _mm256_add_epi32(_mm256_slli_epi32(coarse, 8), fine);
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), _mm256_set1_ps(x.scales[block]), sum);
  }
  const float* factors() const { return factors_; }

 private:
  const std::int8_t* first_;
  const float* factors_;
  std::int64_t stride_;
};

class Int4Weights {
 public:
  struct Loaded {
    __m256i group[2];  // each weight plus 8
    float scale[2];
  };

  Int4Weights(const MatrixView& w, std::int64_t row)
      : groups_(groups_of(w.columns)),
        first_(static_cast<const std::uint8_t*>(w.data) + row * groups_ * kGroupBytes),
        scales_(static_cast<const Half*>(w.scales) + row * groups_) {}

  const void* address(std::int64_t row, std::int64_t block) const {
    return first_ + (row * groups_ + 2 * block) * kGroupBytes;
  }
  Loaded load(std::int64_t row, std::int64_t block, std::int64_t columns) const {
    const bool has_two = columns > kGroupColumns;
    const __m256i bytes = load_bytes(address(row, block), has_two ? 32 : kGroupBytes);
    const __m256i low = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
    const Half* scales = scales_ + row * groups_ + 2 * block;
    return {
        {_mm256_permute2x128_si256(low, high, 0x20), _mm256_permute2x128_si256(low, high, 0x31)},
        {load1(scales), has_two ? load1(scales + 1) : 0.0f}};
  }
  static __m256 add(__m256 sum, const Loaded& w, const BlockedRow& x, std::int64_t block) {
    for (int i = 0; i < 2; ++i) {
      const auto* sums = x.minus_sums + 16 * block + 8 * i;
      const __m256i offset =
          _mm256_slli_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums)), 3);
      const __m256i coarse = quads(w.group[i], bytes_of(x.high, block, i));
      const __m256i fine = quads(w.group[i], bytes_of(x.low, block, i));
      const __m256i total =
          _mm256_add_epi32(offset, _mm256_add_epi32(_mm256_slli_epi32(coarse, 8), fine));
      sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), _mm256_set1_ps(w.scale[i] * x.scales[block]),
                            sum);
    }
    return sum;
  }
  const float* factors() const { return nullptr; }

 private:
  static constexpr std::int64_t kGroupBytes = kGroupColumns / 2;

  std::int64_t groups_;
  const std::uint8_t* first_;
  const Half* scales_;
};

// dots of W weight rows from w_row on and X rows of x from x_row on, without the rows' factors.
template <int W, int X, class Weights>
inline void integer_dots(const LinearArgs& args, const Weights& w, std::int64_t x_row,
                         float (&dots)[W][X]) {
  const std::int64_t columns = args.w.columns;
  __m256 sum[W][X];
  for (auto& row : sum)
    for (auto& value : row) value = _mm256_setzero_ps();
  const auto add_block = [&](std::int64_t block, std::int64_t left) {
#pragma GCC unroll 4
    for (int i = 0; i < W; ++i) {
      const auto loaded = w.load(i, block, left);
#pragma GCC unroll 4
      for (int j = 0; j < X; ++j) {
        const BlockedRow x(args.packed + (x_row + j) * args.packed_stride, columns);
        sum[i][j] = Weights::add(sum[i][j], loaded, x, block);
      }
    }
  };
  const std::int64_t whole = columns / kBlockColumns;
  for (std::int64_t block = 0; block < whole; ++block) {
    // The hardware stops at every page; the next W rows are where the weights go on.
#pragma GCC unroll 4
    for (int i = 0; i < W; ++i)
      _mm_prefetch(static_cast<const char*>(w.address(W + i, block)), _MM_HINT_T0);
    add_block(block, kBlockColumns);
  }
  if (const std::int64_t left = columns - whole * kBlockColumns; left > 0) add_block(whole, left);
  for (int i = 0; i < W; ++i)
    for (int j = 0; j < X; ++j) dots[i][j] = sum8(sum[i][j]);
}

}  // namespace
}  // namespace gpumodel::engine::device::cpu::avx2

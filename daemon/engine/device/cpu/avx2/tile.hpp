// The 6 x 16 tile that products of many rows and attention are made of (Goto, van de Geijn 2008,
// "Anatomy of high-performance matrix multiplication": a register tile over packed panels).
#pragma once

#include "engine/device/cpu/avx2/rows.hpp"

namespace gpumodel::engine::device::cpu::avx2 {
namespace {

constexpr std::int64_t kTileRows = 6;
constexpr std::int64_t kTileColumns = 16;

template <int Rows>
inline void tile_rows(const float* a, std::int64_t a_stride, const float* b, std::int64_t b_stride,
                      std::int64_t depth, float* c, std::int64_t c_stride) {
  __m256 sum[Rows][2];
#pragma GCC unroll 6
  for (int row = 0; row < Rows; ++row) {
    sum[row][0] = _mm256_loadu_ps(c + row * c_stride);
    sum[row][1] = _mm256_loadu_ps(c + row * c_stride + 8);
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    const __m256 left = _mm256_loadu_ps(b + k * b_stride);
    const __m256 right = _mm256_loadu_ps(b + k * b_stride + 8);
#pragma GCC unroll 6
    for (int row = 0; row < Rows; ++row) {
      const __m256 value = _mm256_broadcast_ss(a + row * a_stride + k);
      sum[row][0] = _mm256_fmadd_ps(value, left, sum[row][0]);
      sum[row][1] = _mm256_fmadd_ps(value, right, sum[row][1]);
    }
  }
#pragma GCC unroll 6
  for (int row = 0; row < Rows; ++row) {
    _mm256_storeu_ps(c + row * c_stride, sum[row][0]);
    _mm256_storeu_ps(c + row * c_stride + 8, sum[row][1]);
  }
}

// c (rows of 1 .. 6, 16) += a (rows, depth) b (depth, 16).
inline void tile(std::int64_t rows, const float* a, std::int64_t a_stride, const float* b,
                 std::int64_t b_stride, std::int64_t depth, float* c, std::int64_t c_stride) {
  switch (rows) {
    case 1:
      return tile_rows<1>(a, a_stride, b, b_stride, depth, c, c_stride);
    case 2:
      return tile_rows<2>(a, a_stride, b, b_stride, depth, c, c_stride);
    case 3:
      return tile_rows<3>(a, a_stride, b, b_stride, depth, c, c_stride);
    case 4:
      return tile_rows<4>(a, a_stride, b, b_stride, depth, c, c_stride);
    case 5:
      return tile_rows<5>(a, a_stride, b, b_stride, depth, c, c_stride);
    default:
      return tile_rows<6>(a, a_stride, b, b_stride, depth, c, c_stride);
  }
}

inline void transpose8(__m256 (&v)[8]) {
  __m256 pair[8], quad[8];
  for (int i = 0; i < 4; ++i) {
    pair[2 * i] = _mm256_unpacklo_ps(v[2 * i], v[2 * i + 1]);
    pair[2 * i + 1] = _mm256_unpackhi_ps(v[2 * i], v[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    quad[4 * i] = _mm256_shuffle_ps(pair[4 * i], pair[4 * i + 2], 0x44);
    quad[4 * i + 1] = _mm256_shuffle_ps(pair[4 * i], pair[4 * i + 2], 0xee);
    quad[4 * i + 2] = _mm256_shuffle_ps(pair[4 * i + 1], pair[4 * i + 3], 0x44);
    quad[4 * i + 3] = _mm256_shuffle_ps(pair[4 * i + 1], pair[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20);
    v[i + 4] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31);
  }
}

// panel (depth, 16) = the transpose of the first `rows` (1 .. 16) rows, of their `depth` elements
// from column `first` on, a multiple of 8; columns past `rows` are zero. Fetches the rows behind
// these: the runs are too short for the hardware to see that they go on there.
template <class Rows>
inline void unpack_panel(const Rows& from, std::int64_t first, std::int64_t rows,
                         std::int64_t depth, float* panel) {
  for (std::int64_t half = 0; half < 2; ++half) {
    const std::int64_t count = rows - 8 * half < 0 ? 0 : rows - 8 * half < 8 ? rows - 8 * half : 8;
    const std::int64_t row = 8 * half;
    float* to = panel + 8 * half;
    std::int64_t k = 0;
    for (; k + 8 <= depth; k += 8) {
      if (k % Rows::kLineColumns == 0)
        for (int i = 0; i < 8; ++i)
          _mm_prefetch(
              reinterpret_cast<const char*>(from.address(row + kTileColumns + i, first + k)),
              _MM_HINT_T1);
      __m256 v[8];
      if (count == 8) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) v[i] = scaled8(from, row + i, first + k);
      } else {
        for (int i = 0; i < 8; ++i)
          v[i] = i < count ? scaled8(from, row + i, first + k) : _mm256_setzero_ps();
      }
      transpose8(v);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) _mm256_storeu_ps(to + (k + i) * kTileColumns, v[i]);
    }
    for (; k < depth; ++k)
      for (std::int64_t i = 0; i < 8; ++i)
        to[k * kTileColumns + i] = i < count ? scaled1(from, row + i, first + k) : 0.0f;
  }
}

}  // namespace
}  // namespace gpumodel::engine::device::cpu::avx2

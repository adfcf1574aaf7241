// Sums across the lanes of vectors. Only for sources compiled with AVX-512: internal linkage
// throughout, so that no function built for it can be picked by the linker for a source that is
// not.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "engine/device/cpu/kernels.hpp"

namespace gpumodel::engine::device::cpu::avx512 {
namespace {

// Lane i of the result is the sum of v[i]'s lanes.
inline __m512 sums16(const __m512 (&v)[16]) {
  __m512 quad[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512 left = _mm512_add_ps(_mm512_unpacklo_ps(v[4 * i], v[4 * i + 1]),
                                      _mm512_unpackhi_ps(v[4 * i], v[4 * i + 1]));
    const __m512 right = _mm512_add_ps(_mm512_unpacklo_ps(v[4 * i + 2], v[4 * i + 3]),
                                       _mm512_unpackhi_ps(v[4 * i + 2], v[4 * i + 3]));
    const __m512d a = _mm512_castps_pd(left), b = _mm512_castps_pd(right);
    quad[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                            _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  __m512 half[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i)
    half[i] = _mm512_add_ps(_mm512_shuffle_f32x4(quad[2 * i], quad[2 * i + 1], 0x88),
                            _mm512_shuffle_f32x4(quad[2 * i], quad[2 * i + 1], 0xdd));
  return _mm512_add_ps(_mm512_shuffle_f32x4(half[0], half[1], 0x88),
                       _mm512_shuffle_f32x4(half[0], half[1], 0xdd));
}

// Writes the sums of W weight rows' and X input rows' products, times the weight rows' factors
// where they have any, to out.
template <int W, int X>
inline void put(const LinearArgs& args, std::int64_t w_row, std::int64_t x_row,
                const __m512 (&sum)[W][X], const float* factors) {
  float dots[16];
  if constexpr (W * X > 4) {
    __m512 all[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i)
      all[i] = i / W < X ? sum[i % W][i / W < X ? i / W : 0] : _mm512_setzero_ps();
    _mm512_storeu_ps(dots, sums16(all));
  } else {
#pragma GCC unroll 4
    for (int i = 0; i < W * X; ++i) dots[i] = _mm512_reduce_add_ps(sum[i % W][i / W]);
  }
  for (int j = 0; j < X; ++j) {
    float* out = args.out + (x_row + j) * args.out_stride + w_row;
    for (int i = 0; i < W; ++i) {
      float dot = dots[j * W + i];
      if (factors) dot *= factors[i];
      if (args.bias) dot += args.bias[w_row + i];
      out[i] = args.output == Output::add ? out[i] + dot : dot;
    }
  }
}

// Calls tile.template operator()<W, X>(w_row, x_row) until all of rows first .. last - 1 of the
// weights have met all rows of x.
template <class Tile>
inline void for_tiles(std::int64_t first, std::int64_t last, std::int64_t rows, const Tile& tile) {
  const auto all_x = [&]<int W>(std::int64_t w_row) {
    std::int64_t x_row = 0;
    for (; x_row + 4 <= rows; x_row += 4) tile.template operator()<W, 4>(w_row, x_row);
    switch (rows - x_row) {
      case 3:
        return tile.template operator()<W, 3>(w_row, x_row);
      case 2:
        return tile.template operator()<W, 2>(w_row, x_row);
      case 1:
        return tile.template operator()<W, 1>(w_row, x_row);
      default:
        return;
    }
  };
  std::int64_t w_row = first;
  for (; w_row + 4 <= last; w_row += 4) all_x.template operator()<4>(w_row);
  for (; w_row < last; ++w_row) all_x.template operator()<1>(w_row);
}

}  // namespace
}  // namespace gpumodel::engine::device::cpu::avx512

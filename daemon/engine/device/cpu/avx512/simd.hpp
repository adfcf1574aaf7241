// Sixteen floats at a time. Only for sources compiled with AVX-512: internal linkage throughout, so
// that no function built for it can be picked by the linker for a source that is not.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace gpumodel::engine::device::cpu::avx512 {
namespace {

// sum plus, by lane, the two products of bf16 that lie in its words. Vectors of bf16 are integers
// but for the instruction itself: clang 16 crashes over some that are more.
inline __m512 add_products(__m512 sum, __m512i a, __m512i b) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

// As avx2/simd.hpp's exp8.
inline __m512 exp16(__m512 x) {
  x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-87.0f)), _mm512_set1_ps(88.0f));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
  __m512 p = _mm512_set1_ps(1.0f / 5040);
  for (const float factorial : {720.0f, 120.0f, 24.0f, 6.0f, 2.0f, 1.0f, 1.0f})
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / factorial));
  return _mm512_scalef_ps(p, n);
}

// As avx2/simd.hpp's tanh8.
inline __m512 tanh16(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512 grown = _mm512_add_ps(exp16(_mm512_add_ps(x, x)), one);
  return _mm512_sub_ps(one, _mm512_div_ps(_mm512_set1_ps(2.0f), grown));
}

// The lanes of `all` whose index is below count, which may be any.
inline std::uint32_t first_lanes(std::int64_t count, int all) {
  if (count <= 0) return 0;
  return static_cast<std::uint32_t>((std::uint64_t{1} << (count < all ? count : all)) - 1);
}

// Row i of the result is column i of v.
inline void transpose16(__m512i (&v)[16]) {
  __m512i pair[16], quad[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    pair[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
    pair[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    quad[4 * i] = _mm512_unpacklo_epi64(pair[4 * i], pair[4 * i + 2]);
    quad[4 * i + 1] = _mm512_unpackhi_epi64(pair[4 * i], pair[4 * i + 2]);
    quad[4 * i + 2] = _mm512_unpacklo_epi64(pair[4 * i + 1], pair[4 * i + 3]);
    quad[4 * i + 3] = _mm512_unpackhi_epi64(pair[4 * i + 1], pair[4 * i + 3]);
  }
  // quad[4 g + c] holds, of rows 4 g .. 4 g + 3, columns c, c + 4, c + 8 and c + 12.
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512i low = _mm512_shuffle_i32x4(quad[c], quad[4 + c], 0x88);
    const __m512i low2 = _mm512_shuffle_i32x4(quad[8 + c], quad[12 + c], 0x88);
    const __m512i high = _mm512_shuffle_i32x4(quad[c], quad[4 + c], 0xdd);
    const __m512i high2 = _mm512_shuffle_i32x4(quad[8 + c], quad[12 + c], 0xdd);
    v[c] = _mm512_shuffle_i32x4(low, low2, 0x88);
    v[c + 8] = _mm512_shuffle_i32x4(low, low2, 0xdd);
    v[c + 4] = _mm512_shuffle_i32x4(high, high2, 0x88);
    v[c + 12] = _mm512_shuffle_i32x4(high, high2, 0xdd);
  }
}

}  // namespace
}  // namespace gpumodel::engine::device::cpu::avx512

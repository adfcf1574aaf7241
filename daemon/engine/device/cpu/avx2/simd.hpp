// Eight floats at a time. Only for sources compiled with AVX2, FMA and F16C: internal linkage
// throughout, so that no function built for AVX2 can be picked by the linker for a source that is
// not.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "engine/io/model_config.hpp"

namespace gpumodel::engine::device::cpu::avx2 {
namespace {

struct Half {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

inline __m256 load8(const float* from) { return _mm256_loadu_ps(from); }
inline __m256 load8(const Half* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline __m256 load8(const BFloat16* from) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

inline float load1(const float* from) { return *from; }
inline float load1(const Half* from) { return _cvtsh_ss(from->bits); }
inline float load1(const BFloat16* from) {
  const std::uint32_t bits = std::uint32_t{from->bits} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Calls body with a null pointer of the element type.
template <class Body>
inline void with_element(io::DType dtype, const Body& body) {
  switch (dtype) {
    case io::DType::f32:
      return body(static_cast<const float*>(nullptr));
    case io::DType::f16:
      return body(static_cast<const Half*>(nullptr));
    case io::DType::bf16:
      return body(static_cast<const BFloat16*>(nullptr));
  }
}

inline float sum8(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

inline float max8(__m256 v) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

// The first `count` (0 .. 8) lanes set.
inline __m256i lanes(std::int64_t count) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), index);
}

// e^x to about 2 ulp: x = n ln 2 + r with ln 2 in two parts (Cody, Waite 1980), then e^r by its
// Taylor series to r^7, |r| < 0.35. Below -87 the result is that of -87 (1.6e-38), above 88 that of
// 88; NaN is not kept.
inline __m256 exp8(__m256 x) {
  x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-87.0f)), _mm256_set1_ps(88.0f));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693145752f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(1.42860677e-6f), r);
  __m256 p = _mm256_set1_ps(1.0f / 5040);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
}

// 1 - 2 / (e^2x + 1): off by about 1e-7 of 1, which is what a cap needs.
inline __m256 tanh8(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 grown = _mm256_add_ps(exp8(_mm256_add_ps(x, x)), one);
  return _mm256_sub_ps(one, _mm256_div_ps(_mm256_set1_ps(2.0f), grown));
}

}  // namespace
}  // namespace gpumodel::engine::device::cpu::avx2

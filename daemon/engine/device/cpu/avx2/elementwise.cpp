#include "engine/device/cpu/avx2/elementwise.hpp"

#include <cmath>

#include "engine/device/cpu/avx2/rows.hpp"

namespace gpumodel::engine::device::cpu::avx2 {
namespace {

__m256 load_first(const float* from, std::int64_t count) {
  return _mm256_maskload_ps(from, lanes(count));
}

void store_first(float* to, std::int64_t count, __m256 value) {
  _mm256_maskstore_ps(to, lanes(count), value);
}

// x / (1 + e^-y)
__m256 sigmoid_times(__m256 x, __m256 y) {
  const __m256 one = _mm256_set1_ps(1.0f);
  return _mm256_div_ps(x, _mm256_add_ps(one, exp8(_mm256_sub_ps(_mm256_setzero_ps(), y))));
}

struct Silu {
  static __m256 of(__m256 x) { return sigmoid_times(x, x); }
};

// (1 + tanh(y)) / 2 is 1 / (1 + e^-2y).
struct GeluTanh {
  static __m256 of(__m256 x) {
    const __m256 square = _mm256_mul_ps(x, x);
    const __m256 inner = _mm256_fmadd_ps(square, _mm256_set1_ps(0.044715f), _mm256_set1_ps(1.0f));
    constexpr float kTwiceRootOfTwoOverPi = 1.5957691216f;
    return sigmoid_times(
        x, _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(kTwiceRootOfTwoOverPi)), inner));
  }
};

template <class Function>
void gate_with(const float* gate_up, std::int64_t columns, float* out) {
  const float* up = gate_up + columns;
  std::int64_t i = 0;
  for (; i + 8 <= columns; i += 8)
    _mm256_storeu_ps(out + i, _mm256_mul_ps(Function::of(_mm256_loadu_ps(gate_up + i)),
                                            _mm256_loadu_ps(up + i)));
  const std::int64_t left = columns - i;
  store_first(out + i, left,
              _mm256_mul_ps(Function::of(load_first(gate_up + i, left)), load_first(up + i, left)));
}

// The upper halves of eight floats, rounded to nearest even. NaN becomes a quiet NaN: rounding must
// not carry it into infinity or zero.
__m128i to_bfloat16(__m256 value) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
  const __m256i kept = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), nan);
  const __m256i high = _mm256_srli_epi32(kept, 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
}

void store8(float* to, __m256 value) { _mm256_storeu_ps(to, value); }
void store8(Half* to, __m256 value) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
}
void store8(BFloat16* to, __m256 value) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), to_bfloat16(value));
}

}  // namespace

void rms_norm(const float* x, const Norm& norm, std::int64_t columns, Output output, float* out) {
  __m256 sum = _mm256_setzero_ps();
  std::int64_t i = 0;
  for (; i + 8 <= columns; i += 8) {
    const __m256 value = _mm256_loadu_ps(x + i);
    sum = _mm256_fmadd_ps(value, value, sum);
  }
  const __m256 tail = load_first(x + i, columns - i);
  sum = _mm256_fmadd_ps(tail, tail, sum);
  const float scale = 1.0f / std::sqrt(sum8(sum) / static_cast<float>(columns) + norm.eps);
  const __m256 offset = _mm256_set1_ps(norm.offset);
  const bool adds = output == Output::add;
  for (i = 0; i + 8 <= columns; i += 8) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(scale));
    const __m256 weight = _mm256_add_ps(offset, _mm256_loadu_ps(norm.weight + i));
    const __m256 old = adds ? _mm256_loadu_ps(out + i) : _mm256_setzero_ps();
    _mm256_storeu_ps(out + i, _mm256_fmadd_ps(scaled, weight, old));
  }
  for (; i < columns; ++i)
    out[i] = (adds ? out[i] : 0.0f) + x[i] * scale * (norm.offset + norm.weight[i]);
}

void gate(io::Activation activation, const float* gate_up, std::int64_t columns, float* out) {
  switch (activation) {
    case io::Activation::silu:
      return gate_with<Silu>(gate_up, columns, out);
    case io::Activation::gelu_tanh:
      return gate_with<GeluTanh>(gate_up, columns, out);
  }
}

void softcap(float* x, std::int64_t count, float cap) {
  const __m256 inverse = _mm256_set1_ps(1.0f / cap);
  const __m256 limit = _mm256_set1_ps(cap);
  for (std::int64_t i = 0; i < count; i += 8) {
    const std::int64_t now = count - i < 8 ? count - i : 8;
    store_first(x + i, now,
                _mm256_mul_ps(limit, tanh8(_mm256_mul_ps(inverse, load_first(x + i, now)))));
  }
}

void multiply(float* x, std::int64_t count, float factor) {
  for (std::int64_t i = 0; i < count; ++i) x[i] *= factor;
}

void rotate(const float* table, std::int64_t rotary_dim, float* head) {
  const std::int64_t half = rotary_dim / 2;
  for (std::int64_t i = 0; i < half; i += 8) {
    const std::int64_t count = half - i < 8 ? half - i : 8;
    const __m256 cosine = load_first(table + i, count);
    const __m256 sine = load_first(table + half + i, count);
    const __m256 a = load_first(head + i, count);
    const __m256 b = load_first(head + half + i, count);
    store_first(head + i, count, _mm256_fnmadd_ps(b, sine, _mm256_mul_ps(a, cosine)));
    store_first(head + half + i, count, _mm256_fmadd_ps(a, sine, _mm256_mul_ps(b, cosine)));
  }
}

void unpack_row(const MatrixView& matrix, std::int64_t row, float* to) {
  with_rows(matrix.format, [&]<class Rows>() {
    const Rows from(matrix, row);
    std::int64_t i = 0;
    for (; i + 8 <= matrix.columns; i += 8) _mm256_storeu_ps(to + i, scaled8(from, 0, i));
    for (; i < matrix.columns; ++i) to[i] = scaled1(from, 0, i);
  });
}

void pack(const float* from, std::int64_t count, io::DType dtype, void* to) {
  with_element(dtype, [&]<class Element>(const Element*) {
    auto* element = static_cast<Element*>(to);
    std::int64_t i = 0;
    for (; i + 8 <= count; i += 8) store8(element + i, _mm256_loadu_ps(from + i));
    if (i == count) return;
    Element last[8];
    store8(last, load_first(from + i, count - i));
    std::memcpy(element + i, last, static_cast<std::size_t>(count - i) * sizeof(Element));
  });
}

}  // namespace gpumodel::engine::device::cpu::avx2

// Rows of a weight matrix as floats, whatever their format. All of these have the same members:
//   load8(row, column)  eight elements from `column` on, a multiple of 8, without the row's factor
//   load1(row, column)  the same of one element, of any column
//   address(row, column)  of that element, to be fetched
//   factor(row)         of all elements of the row, where kHasFactor
// with rows counted from the one that they begin at.
#pragma once

#include "engine/device/cpu/avx2/simd.hpp"
#include "engine/device/matrix.hpp"

namespace gpumodel::engine::device::cpu::avx2 {
namespace {

template <class Element>
struct PlainRows {
  static constexpr bool kHasFactor = false;
  static constexpr std::int64_t kLineColumns = 64 / sizeof(Element);  // in a cache line

  const Element* first;
  std::int64_t stride;

  PlainRows(const Element* elements, std::int64_t row_elements)
      : first(elements), stride(row_elements) {}
  PlainRows(const MatrixView& w, std::int64_t row)
      : PlainRows(static_cast<const Element*>(w.data) + row * w.columns, w.columns) {}

  const Element* address(std::int64_t row, std::int64_t column) const {
    return first + row * stride + column;
  }
  __m256 load8(std::int64_t row, std::int64_t column) const {
    return avx2::load8(address(row, column));
  }
  float load1(std::int64_t row, std::int64_t column) const {
    return avx2::load1(address(row, column));
  }
};

struct Int8Rows {
  static constexpr bool kHasFactor = true;
  static constexpr std::int64_t kLineColumns = 64;

  const std::int8_t* first;
  const float* scales;
  std::int64_t stride;

  Int8Rows(const MatrixView& w, std::int64_t row)
      : first(static_cast<const std::int8_t*>(w.data) + row * w.columns),
        scales(static_cast<const float*>(w.scales) + row),
        stride(w.columns) {}

  const std::int8_t* address(std::int64_t row, std::int64_t column) const {
    return first + row * stride + column;
  }
  __m256 load8(std::int64_t row, std::int64_t column) const {
    const auto* from = reinterpret_cast<const __m128i*>(address(row, column));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from)));
  }
  float load1(std::int64_t row, std::int64_t column) const { return *address(row, column); }
  float factor(std::int64_t row) const { return scales[row]; }
};

struct Int4Rows {
  static constexpr bool kHasFactor = false;  // scales are of groups, and load8 and load1 apply them
  static constexpr std::int64_t kLineColumns = 128;

  const std::uint8_t* first;
  const Half* scales;
  std::int64_t groups;

  Int4Rows(const MatrixView& w, std::int64_t row)
      : first(static_cast<const std::uint8_t*>(w.data) + row * row_bytes(w.format, w.columns)),
        scales(static_cast<const Half*>(w.scales) + row * groups_of(w.columns)),
        groups(groups_of(w.columns)) {}

  // The byte; another of the same group's has the same.
  const std::uint8_t* address(std::int64_t row, std::int64_t column) const {
    return first + (row * groups + column / kGroupColumns) * kGroupBytes + column % kGroupBytes;
  }
  __m256 load8(std::int64_t row, std::int64_t column) const {
    const auto* from = reinterpret_cast<const __m128i*>(address(row, column));
    const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(from));
    const __m256i nibbles = _mm256_and_si256(
        _mm256_srl_epi32(bytes, _mm_cvtsi32_si128(shift(column))), _mm256_set1_epi32(15));
    const __m256i values = _mm256_sub_epi32(nibbles, _mm256_set1_epi32(8));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(values), _mm256_set1_ps(scale(row, column)));
  }
  float load1(std::int64_t row, std::int64_t column) const {
    const int nibble = *address(row, column) >> shift(column) & 15;
    return static_cast<float>(nibble - 8) * scale(row, column);
  }

 private:
  static constexpr std::int64_t kGroupBytes = kGroupColumns / 2;

  static int shift(std::int64_t column) { return column % kGroupColumns < kGroupBytes ? 0 : 4; }
  float scale(std::int64_t row, std::int64_t column) const {
    return avx2::load1(scales + row * groups + column / kGroupColumns);
  }
};

template <class Rows>
inline __m256 scaled8(const Rows& rows, std::int64_t row, std::int64_t column) {
  if constexpr (Rows::kHasFactor)
    return _mm256_mul_ps(rows.load8(row, column), _mm256_set1_ps(rows.factor(row)));
  else
    return rows.load8(row, column);
}

template <class Rows>
inline float scaled1(const Rows& rows, std::int64_t row, std::int64_t column) {
  if constexpr (Rows::kHasFactor)
    return rows.load1(row, column) * rows.factor(row);
  else
    return rows.load1(row, column);
}

// Calls body.template operator()<Rows>() with the rows of the format.
template <class Body>
inline void with_rows(MatrixFormat format, const Body& body) {
  switch (format) {
    case MatrixFormat::f32:
      return body.template operator()<PlainRows<float>>();
    case MatrixFormat::f16:
      return body.template operator()<PlainRows<Half>>();
    case MatrixFormat::bf16:
      return body.template operator()<PlainRows<BFloat16>>();
    case MatrixFormat::int8:
      return body.template operator()<Int8Rows>();
    case MatrixFormat::int4:
      return body.template operator()<Int4Rows>();
  }
}

}  // namespace
}  // namespace gpumodel::engine::device::cpu::avx2

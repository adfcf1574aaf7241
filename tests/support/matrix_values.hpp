// Elements of a weight matrix as the definition of its format reads, unlike the backends' and the
// loader's own conversions.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "engine/device/matrix.hpp"

namespace gpumodel::test {

// Bit by bit.
inline float widen(std::uint16_t bits, engine::io::DType dtype) {
  if (dtype == engine::io::DType::bf16) {
    const std::uint32_t wide = std::uint32_t{bits} << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
  }
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  const float magnitude = exponent == 0
                              ? std::ldexp(static_cast<float>(fraction), -24)
                              : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

// The index-th of a run of such values, which may lie anywhere.
template <class Value>
Value value_at(const void* run, std::int64_t index) {
  Value value;
  std::memcpy(&value, static_cast<const std::byte*>(run) + index * std::int64_t{sizeof value},
              sizeof value);
  return value;
}

inline float plain_value(const void* run, engine::io::DType dtype, std::int64_t index) {
  if (dtype == engine::io::DType::f32) return value_at<float>(run, index);
  return widen(value_at<std::uint16_t>(run, index), dtype);
}

inline float matrix_value(const engine::device::MatrixView& matrix, std::int64_t row,
                          std::int64_t column) {
  using engine::device::MatrixFormat;
  const std::int64_t index = row * matrix.columns + column;
  switch (matrix.format) {
    case MatrixFormat::f32:
    case MatrixFormat::f16:
    case MatrixFormat::bf16:
      return plain_value(matrix.data, engine::device::dtype_of(matrix.format), index);
    case MatrixFormat::int8:
      return value_at<float>(matrix.scales, row) *
             static_cast<float>(value_at<std::int8_t>(matrix.data, index));
    case MatrixFormat::int4: {
      const std::int64_t group = row * ((matrix.columns + 31) / 32) + column / 32;
      const int byte = value_at<std::uint8_t>(matrix.data, group * 16 + column % 16);
      const int nibble = column % 32 < 16 ? byte & 15 : byte >> 4;
      return plain_value(matrix.scales, engine::io::DType::f16, group) *
             static_cast<float>(nibble - 8);
    }
  }
  return 0.0f;
}

}  // namespace gpumodel::test

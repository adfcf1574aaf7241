// A weight matrix as it lies in memory, the same on every device.
#pragma once

#include <cstdint>

#include "engine/io/model_config.hpp"

namespace gpumodel::engine::device {

// How a row-major matrix keeps its elements. The plain formats are runs of floating-point numbers.
// The quantised ones are integers times a scale, and their scales lie apart, by row:
//   int8  a byte for each element, -127 .. 127; one float scale for the row.
//   int4  groups of kGroupColumns elements, 16 bytes each: byte j keeps element j of the group in
//         its low four bits and element j + 16 in its high four, each plus 8. One scale for each
//         group, in IEEE binary16. What a last group has beyond the row is 8, a zero.
enum class MatrixFormat { f32, f16, bf16, int8, int4 };

inline constexpr std::int64_t kGroupColumns = 32;

constexpr bool is_quantized(MatrixFormat format) { return format >= MatrixFormat::int8; }

constexpr MatrixFormat format_of(io::DType dtype) {
  switch (dtype) {
    case io::DType::f32:
      return MatrixFormat::f32;
    case io::DType::f16:
      return MatrixFormat::f16;
    case io::DType::bf16:
      return MatrixFormat::bf16;
  }
  return MatrixFormat::f32;
}

constexpr std::int64_t groups_of(std::int64_t columns) {
  return (columns + kGroupColumns - 1) / kGroupColumns;
}

// Of a plain format.
constexpr io::DType dtype_of(MatrixFormat format) {
  if (format == MatrixFormat::f16) return io::DType::f16;
  return format == MatrixFormat::bf16 ? io::DType::bf16 : io::DType::f32;
}

// Of one row's elements.
constexpr std::int64_t row_bytes(MatrixFormat format, std::int64_t columns) {
  switch (format) {
    case MatrixFormat::f32:
      return 4 * columns;
    case MatrixFormat::f16:
    case MatrixFormat::bf16:
      return 2 * columns;
    case MatrixFormat::int8:
      return columns;
    case MatrixFormat::int4:
      return groups_of(columns) * (kGroupColumns / 2);
  }
  return 0;
}

// Of one row's scales.
constexpr std::int64_t row_scale_bytes(MatrixFormat format, std::int64_t columns) {
  switch (format) {
    case MatrixFormat::int8:
      return 4;
    case MatrixFormat::int4:
      return 2 * groups_of(columns);
    default:
      return 0;
  }
}

// A matrix of (rows, columns): one row per output, as in torch.nn.Linear. Borrowed device memory;
// data and scales are aligned to 64 bytes.
struct MatrixView {
  const void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  MatrixFormat format = MatrixFormat::f32;
  const void* scales = nullptr;  // of a quantised format
};

}  // namespace gpumodel::engine::device

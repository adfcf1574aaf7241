// Rows of x as products with quantised weights read them: integers of 16 bits in blocks of 64
// columns, each block with its own scale. The instructions multiply bytes, so an integer is two of
// them, 256 * high + low.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/device/cpu/kernels.hpp"

namespace gpumodel::engine::device::cpu {

inline constexpr std::int64_t kBlockColumns = 64;

constexpr std::int64_t blocks_of(std::int64_t columns) {
  return (columns + kBlockColumns - 1) / kBlockColumns;
}

// A row lies as its high bytes, -127 .. 127, 64 to a block and zeros behind the last; its low bytes
// in the same way; then for each four columns of a block minus the sum of their integers (int32),
// which turns products with weights that are stored with an offset into those without it; then the
// blocks' scales (float).
constexpr std::int64_t low_offset(std::int64_t columns) { return blocks_of(columns) * 64; }
constexpr std::int64_t sums_offset(std::int64_t columns) { return blocks_of(columns) * 128; }
constexpr std::int64_t scales_offset(std::int64_t columns) { return blocks_of(columns) * 192; }

struct BlockedRow {
  const std::int8_t* high;
  const std::int8_t* low;
  const std::int32_t* minus_sums;
  const float* scales;

  BlockedRow(const std::byte* packed, std::int64_t columns)
      : high(reinterpret_cast<const std::int8_t*>(packed)),
        low(reinterpret_cast<const std::int8_t*>(packed + low_offset(columns))),
        minus_sums(reinterpret_cast<const std::int32_t*>(packed + sums_offset(columns))),
        scales(reinterpret_cast<const float*>(packed + scales_offset(columns))) {}
};

// Of one row. Half of a pair is a whole number of vectors, with zeros behind the columns.
constexpr std::int64_t input_bytes(Input input, std::int64_t columns) {
  const auto rounded = [](std::int64_t bytes) { return (bytes + 63) / 64 * 64; };
  switch (input) {
    case Input::floats:
      return 0;
    case Input::bf16_pair:
      return 2 * rounded(2 * columns);
    case Input::blocks:
      return rounded(blocks_of(columns) * 196);
  }
  return 0;
}

}  // namespace gpumodel::engine::device::cpu

#include "engine/model/quantize.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/model/convert.hpp"

namespace gpumodel::engine::model {
namespace {

using device::kGroupColumns;
using device::MatrixFormat;

// To the nearest integer, ties to even, for magnitudes below 2^22: above 1.5 * 2^23 floats are
// whole. std::nearbyint() would keep loops from becoming vector instructions.
float nearest(float value) {
  constexpr float kWhole = 12582912.0f;
  return (value + kWhole) - kWhole;
}

float largest_magnitude(const float* from, std::int64_t count) {
  float largest = 0.0f;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(from[i]));
  return largest;
}

void quantize_int8_row(const float* from, std::int64_t columns, std::byte* data, std::byte* scale) {
  const float largest = largest_magnitude(from, columns);
  // The inverse of a smaller scale is no finite number; such rows are zero to any product.
  constexpr float kSmallest = 0x1p-120f;
  const float step = largest < kSmallest ? 0.0f : largest / 127.0f;
  const float inverse = step == 0.0f ? 0.0f : 1.0f / step;
  for (std::int64_t i = 0; i < columns; ++i)
    data[i] = static_cast<std::byte>(
        static_cast<std::int8_t>(std::clamp(nearest(from[i] * inverse), -127.0f, 127.0f)));
  std::memcpy(scale, &step, sizeof step);
}

// One group's values, with zeros behind a row's end; they take part in nothing.
using Group = std::array<float, kGroupColumns>;

struct GroupFit {
  float scale = 0.0f;  // a value of binary16, or infinity
  float error = std::numeric_limits<float>::infinity();
  Group steps{};  // whole, -8 .. 7
};

float to_f16(float value) { return f16_to_float(float_to_f16(value)); }

void round_to_steps(const Group& values, GroupFit& fit) {
  const float inverse = fit.scale == 0.0f ? 0.0f : 1.0f / fit.scale;
  for (std::size_t i = 0; i < values.size(); ++i)
    fit.steps[i] = std::clamp(nearest(values[i] * inverse), -8.0f, 7.0f);
}

// Sums of eight run side by side, as the compiler may not reorder a sum of its own accord.
template <class Term>
float sum(const Term& term) {
  constexpr std::size_t kLanes = 8;
  std::array<float, kLanes> lanes{};
  for (std::size_t i = 0; i < kGroupColumns; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

// Measured on SmolLM2-135M: three rounds from four first scales leave what more of either would
// hardly change.
constexpr int kRounds = 3;

GroupFit improve(const Group& values, float first_scale) {
  GroupFit fit{.scale = to_f16(first_scale)};
  for (int round = 0; round < kRounds; ++round) {
    round_to_steps(values, fit);
    const float along = sum([&](std::size_t i) { return fit.steps[i] * values[i]; });
    const float square = sum([&](std::size_t i) { return fit.steps[i] * fit.steps[i]; });
    if (square > 0.0f) fit.scale = to_f16(along / square);
  }
  fit.error = sum([&](std::size_t i) {
    const float off = values[i] - fit.steps[i] * fit.scale;
    return off * off;
  });
  return fit;
}

// The value of the largest magnitude becomes the end of one side or of the other, or lies a bit
// beyond it.
GroupFit best_fit(const Group& values) {
  const float extreme = *std::max_element(
      values.begin(), values.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
  GroupFit best;
  for (const float side : {-8.0f, 7.0f})
    for (const float within : {1.0f, 0.85f}) {
      const GroupFit fit = improve(values, extreme / side * within);
      if (fit.error < best.error) best = fit;
    }
  return best;
}

bool quantize_int4_group(const float* from, std::int64_t count, std::byte* data, std::byte* scale) {
  Group values{};
  std::copy_n(from, count, values.begin());
  const GroupFit fit = best_fit(values);
  // Where every scale was infinite, no error was smaller than infinity.
  if (!std::isfinite(fit.error)) return false;
  const auto nibble = [&](std::size_t i) { return static_cast<unsigned>(fit.steps[i] + 8.0f); };
  constexpr std::size_t kBytes = kGroupColumns / 2;
  for (std::size_t i = 0; i < kBytes; ++i)
    data[i] = static_cast<std::byte>(nibble(i) | nibble(i + kBytes) << 4);
  const std::uint16_t bits = float_to_f16(fit.scale);
  std::memcpy(scale, &bits, sizeof bits);
  return true;
}

bool quantize_int4_row(const float* from, std::int64_t columns, std::byte* data,
                       std::byte* scales) {
  for (std::int64_t first = 0; first < columns; first += kGroupColumns) {
    const std::int64_t group = first / kGroupColumns;
    if (!quantize_int4_group(from + first, std::min(kGroupColumns, columns - first),
                             data + group * (kGroupColumns / 2), scales + group * 2))
      return false;
  }
  return true;
}

}  // namespace

bool quantize_rows(const float* from, std::int64_t rows, std::int64_t columns, MatrixFormat to,
                   std::byte* data, std::byte* scales) {
  const std::int64_t data_stride = device::row_bytes(to, columns);
  const std::int64_t scales_stride = device::row_scale_bytes(to, columns);
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* values = from + row * columns;
    std::byte* row_data = data + row * data_stride;
    std::byte* row_scales = scales + row * scales_stride;
    if (to == MatrixFormat::int8) {
      quantize_int8_row(values, columns, row_data, row_scales);
    } else if (!quantize_int4_row(values, columns, row_data, row_scales)) {
      return false;
    }
  }
  return true;
}

}  // namespace gpumodel::engine::model

// The operations of device/backend.hpp once more, as plainly as their definitions read and in
// double: what both backends are compared with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "engine/device/backend.hpp"

namespace gpumodel::test {

namespace device = engine::device;
namespace io = engine::io;
namespace kv = engine::kv;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  float value() { return normal_(engine_); }
  std::int64_t below(std::int64_t limit) {
    return std::uniform_int_distribution<std::int64_t>(0, limit - 1)(engine_);
  }
  std::vector<float> values(std::int64_t count) {
    std::vector<float> result(static_cast<std::size_t>(count));
    for (float& v : result) v = value();
    return result;
  }

 private:
  std::mt19937 engine_;
  std::normal_distribution<float> normal_;
};

// Bit by bit, unlike the backends' own conversions.
inline float widen(std::uint16_t bits, io::DType dtype) {
  if (dtype == io::DType::bf16) {
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

// A matrix or a run of elements in its dtype; no byte more than its elements, so that a sanitizer
// sees a read past them.
struct Elements {
  io::DType dtype;
  std::vector<std::byte> bytes;

  Elements(io::DType type, std::int64_t count)
      : dtype(type), bytes(static_cast<std::size_t>(count) * io::dtype_bytes(type)) {}

  // For 16-bit dtypes by cutting bits off: any value of the dtype will do.
  void set(std::int64_t index, float value) {
    if (dtype == io::DType::f32) {
      std::memcpy(&bytes[static_cast<std::size_t>(index) * 4], &value, 4);
      return;
    }
    std::uint32_t wide;
    std::memcpy(&wide, &value, 4);
    std::uint16_t bits = static_cast<std::uint16_t>(wide >> 16);
    if (dtype == io::DType::f16) {
      const int exponent = static_cast<int>(wide >> 23 & 255) - 127 + 15;
      bits = static_cast<std::uint16_t>(wide >> 16 & 0x8000);
      if (exponent > 0)
        bits = static_cast<std::uint16_t>(bits | exponent << 10 | (wide >> 13 & 1023));
    }
    std::memcpy(&bytes[static_cast<std::size_t>(index) * 2], &bits, 2);
  }

  float get(std::int64_t index) const {
    if (dtype == io::DType::f32) {
      float value;
      std::memcpy(&value, &bytes[static_cast<std::size_t>(index) * 4], 4);
      return value;
    }
    std::uint16_t bits;
    std::memcpy(&bits, &bytes[static_cast<std::size_t>(index) * 2], 2);
    return widen(bits, dtype);
  }
};

inline Elements random_elements(Random& random, io::DType dtype, std::int64_t count,
                                float scale = 1.0f) {
  Elements result(dtype, count);
  for (std::int64_t i = 0; i < count; ++i) result.set(i, scale * random.value());
  return result;
}

inline std::vector<double> reference_norm(const device::Norm& norm, const float* x,
                                          std::int64_t columns) {
  double sum = 0;
  for (std::int64_t i = 0; i < columns; ++i) sum += double{x[i]} * double{x[i]};
  const double root = std::sqrt(sum / static_cast<double>(columns) + double{norm.eps});
  std::vector<double> out;
  for (std::int64_t i = 0; i < columns; ++i)
    out.push_back(double{x[i]} / root * (double{norm.offset} + double{norm.weight[i]}));
  return out;
}

// Attention of one query row over the tokens up to its own that the window holds: keys and values
// (tokens, kv_heads, head_dim).
inline std::vector<double> reference_attention(const device::AttentionShape& shape,
                                               const float* queries, const std::vector<float>& keys,
                                               const std::vector<float>& values,
                                               std::int64_t tokens) {
  std::vector<double> out(static_cast<std::size_t>(shape.query_columns()));
  const std::int64_t dim = shape.head_dim;
  for (std::int64_t head = 0; head < shape.heads; ++head) {
    const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
    const auto at = [&](const std::vector<float>& all, std::int64_t token, std::int64_t d) {
      return double{all[static_cast<std::size_t>((token * shape.kv_heads + kv_head) * dim + d)]};
    };
    std::vector<double> weights;
    double best = -INFINITY, total = 0;
    const std::int64_t first =
        shape.window == 0 ? 0 : std::max<std::int64_t>(0, tokens - shape.window);
    for (std::int64_t token = first; token < tokens; ++token) {
      double score = 0;
      for (std::int64_t d = 0; d < dim; ++d)
        score += double{queries[head * dim + d]} * at(keys, token, d);
      score *= double{shape.scale};
      if (shape.softcap > 0)
        score = double{shape.softcap} * std::tanh(score / double{shape.softcap});
      weights.push_back(score);
      best = std::max(best, weights.back());
    }
    for (double& weight : weights) total += weight = std::exp(weight - best);
    for (std::int64_t token = first; token < tokens; ++token)
      for (std::int64_t d = 0; d < dim; ++d)
        out[static_cast<std::size_t>(head * dim + d)] +=
            weights[static_cast<std::size_t>(token - first)] / total * at(values, token, d);
  }
  return out;
}

}  // namespace gpumodel::test

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
#include "support/matrix_values.hpp"

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

// A random matrix of any format. It has no byte more than its elements, so that a sanitizer sees a
// read past them.
class TestMatrix {
 public:
  TestMatrix(Random& random, device::MatrixFormat format, std::int64_t rows, std::int64_t columns)
      : format_(format),
        rows_(rows),
        columns_(columns),
        data_(static_cast<std::size_t>(rows * device::row_bytes(format, columns))),
        scales_(static_cast<std::size_t>(rows * device::row_scale_bytes(format, columns))) {
    if (!device::is_quantized(format)) {
      fill_plain(random);
      return;
    }
    for (std::byte& byte : data_) byte = static_cast<std::byte>(random.below(256));
    for (std::size_t i = 0; i < scales_.size(); i += scale_bytes()) set_scale(random, &scales_[i]);
  }

  device::MatrixView view() const {
    return {data_.data(), rows_, columns_, format_, scales_.data()};
  }
  double at(std::int64_t row, std::int64_t column) const {
    return double{matrix_value(view(), row, column)};
  }

 private:
  // 16-bit values by cutting bits off: any value of the format will do.
  void fill_plain(Random& random) {
    const bool wide = format_ == device::MatrixFormat::f32;
    for (std::size_t i = 0; i < data_.size(); i += wide ? 4 : 2) {
      const float value = random.value();
      if (wide)
        std::memcpy(&data_[i], &value, 4);
      else
        put16(value, format_ == device::MatrixFormat::f16, &data_[i]);
    }
  }

  std::size_t scale_bytes() const { return format_ == device::MatrixFormat::int8 ? 4 : 2; }

  void set_scale(Random& random, std::byte* to) const {
    const float value = 0.01f * random.value();
    if (format_ == device::MatrixFormat::int8)
      std::memcpy(to, &value, sizeof value);
    else
      put16(value, /*f16=*/true, to);
  }

  static void put16(float value, bool f16, std::byte* to) {
    std::uint32_t wide;
    std::memcpy(&wide, &value, 4);
    auto bits = static_cast<std::uint16_t>(wide >> 16);
    if (f16) {
      const int exponent = static_cast<int>(wide >> 23 & 255) - 127 + 15;
      bits = static_cast<std::uint16_t>(wide >> 16 & 0x8000);
      if (exponent > 0)
        bits = static_cast<std::uint16_t>(bits | exponent << 10 | (wide >> 13 & 1023));
    }
    std::memcpy(to, &bits, sizeof bits);
  }

  device::MatrixFormat format_;
  std::int64_t rows_;
  std::int64_t columns_;
  std::vector<std::byte> data_;
  std::vector<std::byte> scales_;
};

// (rows, w.rows): x (rows, w.columns) w^T.
std::vector<double> reference_linear(const float* x, std::int64_t rows,
                                     const device::MatrixView& w);

// Of one row.
std::vector<double> reference_norm(const device::Norm& norm, const float* x, std::int64_t columns);

// Attention of one query row over the tokens up to its own that the window holds: keys and values
// (tokens, kv_heads, head_dim).
std::vector<double> reference_attention(const device::AttentionShape& shape, const float* queries,
                                        const std::vector<float>& keys,
                                        const std::vector<float>& values, std::int64_t tokens);

}  // namespace gpumodel::test

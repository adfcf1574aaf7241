// The implementations of device/backend.hpp under test, and what comparing them takes.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>

#include "unit/engine/device/reference_ops.hpp"

namespace gpumodel::test {

// Every implementation that this build and this processor have; one thread more than most machines'
// tests see.
struct Candidates {
  std::vector<std::unique_ptr<device::Backend>> all;
  Candidates() {
    for (const std::string& kernels : device::cpu_kernels())
      all.push_back(device::make_cpu_backend(3, kernels));
#ifdef GPUMODEL_WITH_ATEN
    all.push_back(device::make_aten_backend(1));
#endif
    BOOST_REQUIRE(!all.empty());
    // Of what the tests multiply; attention's tests prepare what they attend to.
    for (const auto& candidate : all)
      candidate->prepare({.heads = 1, .kv_heads = 1, .head_dim = 2}, {128, 2048});
  }
};

// `tolerance` is relative to the largest magnitude of what is expected, as sums of that size round.
inline void check_close(const std::string& what, const std::vector<float>& got,
                        const std::vector<double>& expected, double tolerance) {
  BOOST_REQUIRE(got.size() == expected.size());
  double scale = 1e-6, worst = 0;
  for (const double value : expected) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(double{got[i]} - expected[i]);
    if (!(error <= worst)) worst = error;  // NaN is kept
  }
  BOOST_TEST(worst <= tolerance * scale,
             what << ": off by " << worst << " at a scale of " << scale);
}

// For check_close of a product whose x is any: 16 bits of it count, and where four-bit weights meet
// many rows, eight of theirs.
inline double product_tolerance(device::MatrixFormat format, std::int64_t rows) {
  if (format == device::MatrixFormat::int4 && rows >= 8) return 5e-3;
  if (device::is_quantized(format)) return 2e-4;
  return format == device::MatrixFormat::bf16 ? 5e-5 : 4e-6;
}

inline std::size_t count_of(std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(rows * columns);
}

inline constexpr io::DType kDTypes[] = {io::DType::f32, io::DType::f16, io::DType::bf16};

using device::MatrixFormat;
inline constexpr MatrixFormat kFormats[] = {MatrixFormat::f32, MatrixFormat::f16,
                                            MatrixFormat::bf16, MatrixFormat::int8,
                                            MatrixFormat::int4};

inline const char* name_of(MatrixFormat format) {
  const char* names[] = {"f32", "f16", "bf16", "int8", "int4"};
  return names[static_cast<std::size_t>(format)];
}

}  // namespace gpumodel::test

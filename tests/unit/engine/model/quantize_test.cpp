#include "engine/model/quantize.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "support/matrix_values.hpp"

namespace device = gpumodel::engine::device;
namespace model = gpumodel::engine::model;
using device::MatrixFormat;
using gpumodel::test::matrix_value;
using gpumodel::test::value_at;

namespace {

struct Quantized {
  std::int64_t rows, columns;
  MatrixFormat format;
  std::vector<std::byte> data, scales;
  bool fits;

  Quantized(const std::vector<float>& values, std::int64_t count, MatrixFormat to)
      : rows(static_cast<std::int64_t>(values.size()) / count),
        columns(count),
        format(to),
        data(static_cast<std::size_t>(rows * device::row_bytes(to, count))),
        scales(static_cast<std::size_t>(rows * device::row_scale_bytes(to, count))),
        fits(model::quantize_rows(values.data(), rows, count, to, data.data(), scales.data())) {}

  float at(std::int64_t row, std::int64_t column) const {
    return matrix_value({data.data(), rows, columns, format, scales.data()}, row, column);
  }
};

enum class Shape { normal, heavy_tailed, one_sided, one_large, tiny };

std::vector<float> random_values(std::mt19937& random, std::size_t count, Shape shape) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) {
    value = 0.02f * normal(random);
    if (shape == Shape::heavy_tailed) value *= std::exp(normal(random));
    if (shape == Shape::one_sided) value = std::abs(value);
    if (shape == Shape::tiny) value *= 1e-3f;
  }
  if (shape == Shape::one_large) values[random() % count] = 3.0f;
  return values;
}

constexpr Shape kShapes[] = {Shape::normal, Shape::heavy_tailed, Shape::one_sided, Shape::one_large,
                             Shape::tiny};
constexpr std::int64_t kColumns[] = {1, 2, 31, 32, 33, 64, 90, 576};

// The smallest squared error of these values over every scale of binary16 and nearest steps, which
// no recipe can fall below, and the error of the plain one: the largest magnitude divided by 7.
struct Errors {
  double best = std::numeric_limits<double>::infinity();
  double plain = 0;
};

double error_with(const float* values, std::int64_t count, float scale) {
  double error = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double step =
        scale == 0.0f ? 0.0
                      : std::clamp(std::nearbyint(double{values[i]} / double{scale}), -8., 7.);
    error += std::pow(double{values[i]} - step * double{scale}, 2);
  }
  return error;
}

Errors errors_of(const float* values, std::int64_t count) {
  Errors errors;
  for (unsigned bits = 0; bits < 0x7c00; ++bits)
    for (const unsigned sign : {0u, 0x8000u}) {
      const float scale = gpumodel::test::widen(static_cast<std::uint16_t>(bits | sign),
                                                gpumodel::engine::io::DType::f16);
      errors.best = std::min(errors.best, error_with(values, count, scale));
    }
  float largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  errors.plain = error_with(values, count, largest / 7.0f);
  return errors;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quantize)

BOOST_AUTO_TEST_CASE(int8_is_off_by_at_most_half_a_step_of_its_row) {
  std::mt19937 random(1);
  for (const Shape shape : kShapes)
    for (const std::int64_t columns : kColumns) {
      const auto values = random_values(random, static_cast<std::size_t>(3 * columns), shape);
      const Quantized got(values, columns, MatrixFormat::int8);
      BOOST_REQUIRE(got.fits);
      for (std::int64_t row = 0; row < got.rows; ++row) {
        const float* from = &values[static_cast<std::size_t>(row * columns)];
        float largest = 0;
        for (std::int64_t i = 0; i < columns; ++i) largest = std::max(largest, std::abs(from[i]));
        BOOST_TEST(value_at<float>(got.scales.data(), row) == largest / 127.0f);
        for (std::int64_t i = 0; i < columns; ++i) {
          BOOST_REQUIRE(std::abs(got.at(row, i) - from[i]) <= largest / 127.0f * 0.50001f);
          BOOST_REQUIRE(value_at<std::int8_t>(got.data.data(), row * columns + i) >= -127);
        }
      }
    }
}

// The error of a whole matrix, as single groups may have a better scale that no search of a few
// finds.
BOOST_AUTO_TEST_CASE(int4_comes_close_to_the_best_that_any_scales_allow) {
  std::mt19937 random(2);
  for (const Shape shape : kShapes) {
    double got_error = 0;
    Errors total{0, 0};
    for (const std::int64_t columns : {32, 64, 70}) {
      const auto values = random_values(random, static_cast<std::size_t>(4 * columns), shape);
      const Quantized got(values, columns, MatrixFormat::int4);
      BOOST_REQUIRE(got.fits);
      for (std::int64_t row = 0; row < got.rows; ++row)
        for (std::int64_t first = 0; first < columns; first += 32) {
          const float* group = &values[static_cast<std::size_t>(row * columns + first)];
          const std::int64_t count = std::min<std::int64_t>(32, columns - first);
          const Errors errors = errors_of(group, count);
          total.best += errors.best;
          total.plain += errors.plain;
          for (std::int64_t i = 0; i < count; ++i)
            got_error += std::pow(double{got.at(row, first + i)} - double{group[i]}, 2);
        }
    }
    BOOST_TEST_MESSAGE("shape " << static_cast<int>(shape) << ": " << got_error / total.best
                                << " of the best, " << got_error / total.plain << " of the plain");
    BOOST_TEST(got_error <= total.best * 1.1);
    BOOST_TEST(got_error <= total.plain);
  }
}

BOOST_AUTO_TEST_CASE(what_is_whole_steps_stays_as_it_is) {
  for (const std::int64_t columns : {16, 32, 90}) {
    std::vector<float> eight, four;
    for (std::int64_t i = 0; i < columns; ++i) {
      eight.push_back(0.25f * static_cast<float>(i == 0 ? 127 : i % 255 - 127));
      four.push_back(-0.125f * static_cast<float>(i % 16 - 8));
    }
    const Quantized as_int8(eight, columns, MatrixFormat::int8);
    const Quantized as_int4(four, columns, MatrixFormat::int4);
    for (std::int64_t i = 0; i < columns; ++i) {
      BOOST_TEST(as_int8.at(0, i) == eight[static_cast<std::size_t>(i)]);
      if (columns != 90) BOOST_TEST(as_int4.at(0, i) == four[static_cast<std::size_t>(i)]);
    }
  }
}

BOOST_AUTO_TEST_CASE(zeros_are_zero_and_the_rest_of_a_last_group_too) {
  for (const MatrixFormat format : {MatrixFormat::int8, MatrixFormat::int4}) {
    const Quantized zeros(std::vector<float>(90), 45, format);
    BOOST_REQUIRE(zeros.fits);
    for (std::int64_t i = 0; i < 45; ++i) BOOST_TEST(zeros.at(1, i) == 0.0f);
  }
  std::mt19937 random(3);
  const Quantized got(random_values(random, 33, Shape::normal), 33, MatrixFormat::int4);
  for (std::int64_t byte = 17; byte < 32; ++byte)
    BOOST_TEST(value_at<std::uint8_t>(got.data.data(), byte) == 0x88);
  BOOST_TEST(value_at<std::uint8_t>(got.data.data(), 16) >> 4 == 8);
}

BOOST_AUTO_TEST_CASE(the_largest_and_the_smallest_numbers) {
  const float largest = std::numeric_limits<float>::max() / 2;
  const float smallest = std::numeric_limits<float>::denorm_min();
  const std::vector<float> ends{largest, -largest, smallest, 0.0f};
  const Quantized eight(ends, 4, MatrixFormat::int8);
  BOOST_TEST(eight.fits);
  BOOST_TEST(std::isfinite(eight.at(0, 0)));
  BOOST_TEST(std::abs(eight.at(0, 0) / largest - 1.0f) < 1e-6f);
  BOOST_TEST(eight.at(0, 2) == 0.0f);
  BOOST_TEST(!Quantized(ends, 4, MatrixFormat::int4).fits);
  for (const MatrixFormat format : {MatrixFormat::int8, MatrixFormat::int4}) {
    const Quantized tiny(std::vector<float>(40, smallest), 40, format);
    BOOST_TEST(tiny.fits);
    BOOST_TEST(tiny.at(0, 39) == 0.0f);
  }
  // -8 steps of 65,504 and 7 of it are the ends of what int4 holds.
  BOOST_TEST(Quantized({-500000.0f, 1.0f}, 2, MatrixFormat::int4).fits);
  BOOST_TEST(!Quantized({600000.0f, 1.0f}, 2, MatrixFormat::int4).fits);
}

BOOST_AUTO_TEST_SUITE_END()

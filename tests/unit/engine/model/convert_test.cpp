#include "engine/model/convert.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace model = gpumodel::engine::model;
using gpumodel::engine::io::DType;

namespace {

// The value of 16 bits by the definition of the format (IEEE 754-2019 section 3.4).
double by_definition(std::uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction == 0 ? sign * INFINITY : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

// The bits nearest to a finite value, ties to even, by search among all; the largest finite value's
// upper neighbour stands for infinity.
std::uint16_t nearest(float value, int exponent_bits) {
  const std::uint16_t infinity =
      static_cast<std::uint16_t>(((1 << exponent_bits) - 1) << (15 - exponent_bits));
  const auto magnitude = [&](std::uint16_t bits) {
    if (bits < infinity) return by_definition(bits, exponent_bits);
    return 2 * by_definition(static_cast<std::uint16_t>(infinity - 1), exponent_bits) -
           by_definition(static_cast<std::uint16_t>(infinity - 2), exponent_bits);
  };
  const double wanted = std::abs(double{value});
  std::uint16_t low = 0;
  std::uint16_t high = infinity;
  while (high - low > 1) {
    const auto middle = static_cast<std::uint16_t>((low + high) / 2);
    (magnitude(middle) <= wanted ? low : high) = middle;
  }
  const double below = wanted - magnitude(low);
  const double above = magnitude(high) - wanted;
  const bool up = above < below || (above == below && low % 2 == 1);
  return static_cast<std::uint16_t>((up ? high : low) | (std::signbit(value) ? 0x8000 : 0));
}

std::vector<float> samples() {
  std::vector<float> values{0.0f,     -0.0f,      65504.0f,     65519.0f, 65520.0f,
                            65536.0f, 1e30f,      3.4e38f,      0x1p-14f, 0x1p-24f,
                            0x1p-25f, 0x1.8p-25f, 0x1.ffep-15f, 1e-40f};
  std::mt19937 random(3);
  std::uniform_int_distribution<std::uint32_t> any;
  while (values.size() < 20000) {
    // Half of them within the range of binary16, half of those exactly between two of its values.
    std::uint32_t bits = any(random);
    if (values.size() % 2 == 0) bits = (bits & 0x807fffff) | (100 + bits % 45) << 23;
    if (values.size() % 4 == 0) bits = (bits & 0xffffe000) | 0x1000;
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(convert)

BOOST_AUTO_TEST_CASE(every_16_bit_value_widens_as_defined_and_comes_back) {
  for (std::uint32_t i = 0; i <= 0xffff; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const double f16 = by_definition(bits, 5);
    const double bf16 = by_definition(bits, 8);
    const float f16_got = model::f16_to_float(bits);
    const float bf16_got = model::bf16_to_float(bits);
    if (std::isnan(f16)) {
      BOOST_REQUIRE(std::isnan(f16_got));
      BOOST_REQUIRE(std::isnan(model::f16_to_float(model::float_to_f16(f16_got))));
    } else {
      BOOST_REQUIRE_EQUAL(double{f16_got}, f16);
      BOOST_REQUIRE_EQUAL(model::float_to_f16(f16_got), bits);
    }
    if (std::isnan(bf16)) {
      BOOST_REQUIRE(std::isnan(bf16_got));
      BOOST_REQUIRE(std::isnan(model::bf16_to_float(model::float_to_bf16(bf16_got))));
    } else {
      BOOST_REQUIRE_EQUAL(double{bf16_got}, bf16);
      BOOST_REQUIRE_EQUAL(model::float_to_bf16(bf16_got), bits);
    }
  }
}

BOOST_AUTO_TEST_CASE(narrowing_takes_the_nearest_and_the_even_of_two) {
  for (const float value : samples()) {
    BOOST_REQUIRE_EQUAL(model::float_to_f16(value), nearest(value, 5));
    BOOST_REQUIRE_EQUAL(model::float_to_bf16(value), nearest(value, 8));
  }
  BOOST_TEST(model::float_to_f16(INFINITY) == 0x7c00);
  BOOST_TEST(model::float_to_bf16(-INFINITY) == 0xff80);
}

BOOST_AUTO_TEST_CASE(ranges_of_any_pair_and_alignment) {
  const std::array<float, 3> values{1.5f, -2.25f, 0.0078125f};
  const std::array all{DType::f32, DType::f16, DType::bf16};
  for (const DType from : all) {
    for (const DType to : all) {
      std::vector<std::byte> source(1 + 3 * 4);
      std::vector<std::byte> target(1 + 3 * 4);
      std::array<float, 3> back{};
      model::convert(reinterpret_cast<const std::byte*>(values.data()), DType::f32,
                     source.data() + 1, from, values.size());
      model::convert(source.data() + 1, from, target.data() + 1, to, values.size());
      model::convert(target.data() + 1, to, reinterpret_cast<std::byte*>(back.data()), DType::f32,
                     values.size());
      BOOST_TEST(back == values, boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(all_finite_finds_each_value_that_is_not) {
  const auto narrow = [](DType dtype, int exponent_bits) {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      const auto value = static_cast<std::uint16_t>(bits);
      std::array<std::uint16_t, 40> values{};
      values[bits % values.size()] = value;
      const bool finite = model::all_finite(reinterpret_cast<const std::byte*>(values.data()),
                                            dtype, values.size());
      if (finite != std::isfinite(by_definition(value, exponent_bits)))
        BOOST_ERROR("bits " << bits << " of exponent " << exponent_bits);
    }
  };
  narrow(DType::f16, 5);
  narrow(DType::bf16, 8);
  using Limits = std::numeric_limits<float>;
  for (const float value : {0.0f, Limits::max(), Limits::denorm_min(), Limits::infinity(),
                            -Limits::infinity(), Limits::quiet_NaN()}) {
    std::array<float, 3> values{1.0f, -1.0f, value};
    BOOST_TEST(model::all_finite(reinterpret_cast<const std::byte*>(values.data()), DType::f32,
                                 values.size()) == std::isfinite(value));
    BOOST_TEST(model::all_finite(reinterpret_cast<const std::byte*>(values.data()), DType::f32, 2));
  }
}

BOOST_AUTO_TEST_SUITE_END()

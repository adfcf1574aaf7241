#include "engine/sample/selection.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <limits>
#include <random>

namespace {

using namespace gpumodel::engine::sample;

BOOST_AUTO_TEST_SUITE(selection)

BOOST_AUTO_TEST_CASE(agrees_with_a_full_sort) {
  std::mt19937 random(1);
  std::vector<float> scratch;
  for (const std::size_t size : {1u, 2u, 63u, 64u, 65u, 1000u, 5000u}) {
    std::vector<float> values(size);
    // Few different values, so that there are equals.
    for (float& value : values)
      value = static_cast<float>(static_cast<int>(random() % 200)) - 100.0f;
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (const std::size_t k : {1u, 2u, 20u, 64u, 999u, 5000u}) {
      if (k > size) {
        BOOST_TEST(kth_largest(values, k, scratch) == -std::numeric_limits<float>::infinity());
        continue;
      }
      BOOST_TEST(kth_largest(values, k, scratch) == sorted[k - 1]);
    }
    std::vector<std::int32_t> order(size);
    for (std::size_t i = 0; i < size; ++i) order[i] = static_cast<std::int32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
    });
    order.resize(std::min<std::size_t>(size, 20));
    BOOST_TEST(largest(values, 20) == order, boost::test_tools::per_element());
    BOOST_TEST(argmax(values) == order.front());
  }
}

BOOST_AUTO_TEST_CASE(passes_over_nan_and_minus_infinity) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float nothing = -std::numeric_limits<float>::infinity();
  const std::vector<float> values = {nan, nothing, 1.0f, nan, 0.5f};
  BOOST_TEST(argmax(values) == 2);
  BOOST_TEST(largest(values, 5) == (std::vector<std::int32_t>{2, 4}),
             boost::test_tools::per_element());
  BOOST_TEST(argmax(std::vector<float>{nan, nothing}) == -1);
  BOOST_TEST(argmax({}) == -1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

#include "engine/sample/philox.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using gpumodel::engine::sample::philox4x32;
using gpumodel::engine::sample::uniform;
using Words = std::array<std::uint32_t, 4>;

BOOST_AUTO_TEST_SUITE(philox)

// The known-answer vectors of the Random123 distribution (kat_vectors, philox4x32 10).
BOOST_AUTO_TEST_CASE(gives_the_published_answers) {
  BOOST_TEST(
      (philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  BOOST_TEST(
      (philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
       Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  BOOST_TEST(
      (philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
       Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

BOOST_AUTO_TEST_CASE(is_uniform_from_0_to_below_1) {
  double sum = 0.0;
  for (std::uint64_t position = 0; position < 10000; ++position) {
    const double value = uniform(9, position);
    BOOST_TEST_REQUIRE((value >= 0.0 && value < 1.0));
    sum += value;
  }
  BOOST_TEST(sum / 10000 > 0.49);
  BOOST_TEST(sum / 10000 < 0.51);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

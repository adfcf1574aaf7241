#include "gpumodelctl/screen.hpp"

#include "support/testdata.hpp"

using namespace gpumodelctl;

BOOST_AUTO_TEST_SUITE(screen_test)

// Nothing is erased before what replaces it is there: that would flicker.
BOOST_AUTO_TEST_CASE(a_frame_overwrites_and_then_clears_the_rest) {
  BOOST_TEST(frame("one\ntwo\n", 10) == "\033[Hone\033[K\r\ntwo\033[K\033[J");
  BOOST_TEST(frame("one\n\nthree", 10) == "\033[Hone\033[K\r\n\033[K\r\nthree\033[K\033[J");
  BOOST_TEST(frame("", 10) == "\033[H\033[J");
}

BOOST_AUTO_TEST_CASE(a_frame_is_no_higher_than_the_terminal) {
  BOOST_TEST(frame("1\n2\n3\n4\n", 2) == "\033[H1\033[K\r\n2\033[K\033[J");
}

BOOST_AUTO_TEST_SUITE_END()

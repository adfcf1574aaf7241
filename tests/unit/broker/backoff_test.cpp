#include "broker/backoff.hpp"

#include <boost/test/unit_test.hpp>

using gpumodel::broker::Backoff;
using std::chrono::milliseconds;
using std::chrono::minutes;

BOOST_AUTO_TEST_SUITE(backoff)

BOOST_AUTO_TEST_CASE(doubles_from_half_a_second_to_thirty) {
  Backoff backoff(/*gives_up=*/false);
  for (const int expected : {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000})
    BOOST_TEST(backoff.lost(minutes(1)).value().count() == expected);
}

BOOST_AUTO_TEST_CASE(gives_up_at_the_third_loss_within_ten_minutes) {
  Backoff backoff(/*gives_up=*/true);
  BOOST_TEST(backoff.lost(minutes(0)).value().count() == 500);
  BOOST_TEST(backoff.lost(minutes(5)).value().count() == 1000);
  BOOST_TEST(!backoff.lost(minutes(10) - milliseconds(1)).has_value());
}

BOOST_AUTO_TEST_CASE(forgets_a_loss_after_ten_minutes) {
  Backoff backoff(/*gives_up=*/true);
  BOOST_TEST(backoff.lost(minutes(0)).has_value());
  BOOST_TEST(backoff.lost(minutes(5)).has_value());
  BOOST_TEST(backoff.lost(minutes(10)).value().count() == 1000);
  BOOST_TEST(backoff.lost(minutes(30)).value().count() == 500);
}

BOOST_AUTO_TEST_SUITE_END()

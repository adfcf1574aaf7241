#include "broker/engine_heart.hpp"

#include <boost/test/unit_test.hpp>

using gpumodel::broker::EngineHeart;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kLimit{60'000};

EngineHeart::Time at(seconds after) { return EngineHeart::Time{} + after; }

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_heart)

BOOST_AUTO_TEST_CASE(asks_several_times_within_the_limit_and_every_five_seconds_at_least) {
  BOOST_TEST(EngineHeart(kLimit, at(seconds(0))).interval().count() == 5'000);
  BOOST_TEST(EngineHeart(seconds(2), at(seconds(0))).interval().count() == 500);
  BOOST_TEST(EngineHeart(milliseconds(0), at(seconds(0))).interval().count() > 0);
}

BOOST_AUTO_TEST_CASE(an_answer_that_never_comes_is_a_failure) {
  EngineHeart heart(kLimit, at(seconds(0)));
  heart.asked(at(seconds(5)));
  BOOST_TEST(heart.is_owed());
  BOOST_TEST(!heart.failure(at(seconds(65))).has_value());
  BOOST_TEST(heart.failure(at(seconds(66))).value() ==
             "it has not answered for 61 s (hang_timeout)");
}

BOOST_AUTO_TEST_CASE(steps_that_stand_still_are_a_failure) {
  EngineHeart heart(kLimit, at(seconds(0)));
  for (int second = 5; second <= 90; second += 5) {
    heart.asked(at(seconds(second)));
    heart.answered({/*steps=*/second < 30 ? static_cast<std::uint64_t>(second) : 30, true},
                   at(seconds(second)));
    BOOST_TEST(!heart.failure(at(seconds(second))).has_value());
  }
  BOOST_TEST(heart.failure(at(seconds(91))).value() == "one step has taken 61 s (hang_timeout)");
}

BOOST_AUTO_TEST_CASE(an_engine_with_nothing_to_do_may_rest) {
  EngineHeart heart(kLimit, at(seconds(0)));
  for (int second = 5; second <= 500; second += 5) {
    heart.asked(at(seconds(second)));
    heart.answered({7, false}, at(seconds(second)));
    BOOST_TEST(!heart.failure(at(seconds(second + 4))).has_value());
  }
  // From its first step on it has the whole limit.
  heart.answered({7, true}, at(seconds(505)));
  BOOST_TEST(!heart.failure(at(seconds(560))).has_value());
  BOOST_TEST(heart.failure(at(seconds(561))).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

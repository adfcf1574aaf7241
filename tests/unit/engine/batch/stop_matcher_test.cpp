#include "engine/batch/stop_matcher.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

namespace {

using gpumodel::engine::batch::StopMatcher;

BOOST_AUTO_TEST_SUITE(stop_matcher)

BOOST_AUTO_TEST_CASE(passes_text_through_without_stop_strings) {
  StopMatcher matcher({});
  BOOST_TEST(matcher.push("any") == "any");
  BOOST_TEST(matcher.held_bytes() == 0u);
  BOOST_TEST(matcher.flush() == "");
}

BOOST_AUTO_TEST_CASE(holds_back_what_may_become_a_stop_string) {
  StopMatcher matcher({"END"});
  BOOST_TEST(matcher.push("a E") == "a ");
  BOOST_TEST(matcher.push("N") == "");
  BOOST_TEST(matcher.push("x E") == "ENx ");
  BOOST_TEST(matcher.flush() == "E");
}

BOOST_AUTO_TEST_CASE(matches_across_pieces_and_emits_nothing_of_it_or_after_it) {
  StopMatcher matcher({"\n\n"});
  BOOST_TEST(matcher.push("one\n") == "one");
  BOOST_TEST(matcher.push("\ntwo") == "");
  BOOST_TEST(matcher.stopped());
  BOOST_TEST(matcher.push("three") == "");
  BOOST_TEST(matcher.flush() == "");
}

BOOST_AUTO_TEST_CASE(restarts_inside_a_broken_match) {
  StopMatcher matcher({"aab"});
  BOOST_TEST(matcher.push("aa") == "");
  BOOST_TEST(matcher.push("a") == "a");
  BOOST_TEST(matcher.push("b") == "");
  BOOST_TEST(matcher.stopped());
}

BOOST_AUTO_TEST_CASE(the_first_complete_stop_string_counts) {
  StopMatcher matcher({"abX", "b"});
  BOOST_TEST(matcher.push("..abX") == "..a");
  StopMatcher longest({"c", "bc"});
  BOOST_TEST(longest.push("abc") == "a");
}

// What it emits in all, however the text is cut.
std::string emitted(const std::string& text, const std::vector<std::string>& stops,
                    std::mt19937& random, std::size_t most) {
  StopMatcher matcher(stops);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::min<std::size_t>(1 + random() % most, text.size() - at);
    out += matcher.push(text.substr(at, size));
    at += size;
  }
  return out + matcher.flush();
}

BOOST_AUTO_TEST_CASE(does_not_depend_on_how_the_text_is_cut) {
  std::mt19937 random(5);
  int stopped = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 30; ++i) text.push_back("abc"[random() % 3]);
    std::vector<std::string> stops;
    for (std::size_t i = 0; i < 1 + random() % 3; ++i) {
      std::string stop;
      for (std::size_t k = 0; k < 2 + random() % 4; ++k) stop.push_back("abc"[random() % 3]);
      stops.push_back(stop);
    }
    const std::string whole = emitted(text, stops, random, 1);
    BOOST_TEST_REQUIRE(emitted(text, stops, random, 7) == whole);
    BOOST_TEST_REQUIRE(emitted(text, stops, random, 100) == whole);
    BOOST_TEST_REQUIRE(text.compare(0, whole.size(), whole) == 0);
    for (const std::string& stop : stops) BOOST_TEST_REQUIRE(whole.find(stop) == std::string::npos);
    stopped += whole.size() < text.size();
  }
  BOOST_TEST(stopped > 100);
  BOOST_TEST(stopped < 2000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

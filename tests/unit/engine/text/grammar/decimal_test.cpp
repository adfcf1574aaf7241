#include "engine/text/grammar/decimal.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>

#include "engine/text/grammar/facts.hpp"

namespace {

using namespace gpumodel::engine::text::grammar;
using nlohmann::ordered_json;

Decimal decimal(const char* text) { return *Decimal::from(ordered_json::parse(text)); }

BOOST_AUTO_TEST_SUITE(decimal_numbers)

BOOST_AUTO_TEST_CASE(reads_what_is_exact) {
  BOOST_TEST(decimal("-0.0").text() == "0");
  BOOST_TEST(decimal("1e3").text() == "1000");
  BOOST_TEST(decimal("-2.50").text() == "-2.5");
  BOOST_TEST(decimal("18446744073709551615").text() == "18446744073709551615");
  BOOST_TEST(!Decimal::from(ordered_json::parse("18446744073709551616")).has_value());
  BOOST_TEST(!Decimal::from(ordered_json::parse("1e300")).has_value());
  BOOST_TEST(!Decimal::from(ordered_json::parse("1e-60")).has_value());
}

// Every integer from -130 to 130 against every pair of limits.
BOOST_AUTO_TEST_CASE(integers_obey_their_bounds) {
  for (const auto& [low, high] :
       {std::pair{-130, 7}, {0, 99}, {-5, -5}, {3, 120}, {101, 1000}, {0, 0}}) {
    for (const bool is_exclusive : {false, true}) {
      NumberFacts facts;
      facts.raise_lower({decimal(std::to_string(low).c_str()), is_exclusive});
      facts.cut_upper({decimal(std::to_string(high).c_str()), is_exclusive});
      facts.excluded.push_back(decimal("42"));
      const Automaton automaton = integers(facts);
      for (int value = -130; value <= 1100; ++value) {
        const bool is_within =
            is_exclusive ? value > low && value < high : value >= low && value <= high;
        BOOST_TEST(
            automaton.accepts(characters_of(std::to_string(value))) == (is_within && value != 42),
            value << " in " << low << " to " << high);
      }
      BOOST_TEST(!automaton.accepts(U"007"));
      BOOST_TEST(!automaton.accepts(U""));
      BOOST_TEST(!automaton.accepts(U"-"));
    }
  }
}

BOOST_AUTO_TEST_CASE(integers_are_multiples) {
  NumberFacts facts;
  facts.multiples_of = {6, 4};
  facts.not_multiples_of = {5};
  const Automaton automaton = integers(facts);
  for (int value = -400; value <= 400; ++value)
    BOOST_TEST(automaton.accepts(characters_of(std::to_string(value))) ==
                   (value % 12 == 0 && value % 5 != 0),
               value);
}

BOOST_AUTO_TEST_CASE(fractions_obey_their_bounds) {
  NumberFacts facts;
  facts.raise_lower({decimal("-1.25"), true});
  facts.cut_upper({decimal("12.5"), false});
  const Automaton automaton = fractions(facts);
  for (int hundredths = -2000; hundredths <= 2000; ++hundredths) {
    const int whole = std::abs(hundredths) / 100;
    const int rest = std::abs(hundredths) % 100;
    const std::string text = (hundredths < 0 ? "-" : "") + std::to_string(whole) +
                             (rest < 10 ? ".0" : ".") + std::to_string(rest);
    const bool is_within = hundredths > -125 && hundredths <= 1250;
    BOOST_TEST(automaton.accepts(characters_of(text)) == (is_within && rest != 0), text);
  }
  BOOST_TEST(automaton.accepts(U"12.4999999999999"));
  BOOST_TEST(!automaton.accepts(U"12.49999999999999"));  // 16 digits
  BOOST_TEST(!automaton.accepts(U"1.5e1"));
  BOOST_TEST(!automaton.accepts(U"1."));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

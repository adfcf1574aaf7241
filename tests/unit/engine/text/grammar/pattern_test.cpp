#include "engine/text/grammar/pattern.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "engine/text/grammar/facts.hpp"
#include "engine/text/grammar/refusal.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/testdata.hpp"

namespace {

using namespace gpumodel::engine::text::grammar;
using namespace gpumodel::test;

bool finds(const char* pattern, const std::u32string& text) {
  return containing(pattern, Reading::certain).accepts(text);
}

Refusal::Kind refused(const std::string& pattern) {
  try {
    containing(pattern, Reading::certain);
  } catch (const Refusal& refusal) {
    BOOST_TEST((std::string(refusal.what()).find("pattern") != std::string::npos));
    return refusal.kind();
  }
  BOOST_ERROR(pattern << " is not refused");
  return {};
}

boost::test_tools::assertion_result has_oracle(boost::unit_test::test_unit_id test) {
  return has_oracle_python()(test);
}

struct Readings {
  Automaton found;         // somewhere in the text, for certain
  Automaton may_be_found;  // possibly
  Automaton whole;
};

// Nothing where the automata would be too large.
std::optional<Readings> readings_of(const std::string& expression) {
  try {
    return Readings{containing(expression, Reading::certain),
                    containing(expression, Reading::possible),
                    matching(expression, Reading::certain)};
  } catch (const Refusal& refusal) {
    if (refusal.kind() != Refusal::Kind::too_large) throw;
    return std::nullopt;
  }
}

BOOST_AUTO_TEST_SUITE(pattern_parity, *boost::unit_test::precondition(has_oracle))

BOOST_AUTO_TEST_CASE(agrees_with_python) {
  constexpr int kPatterns = kSanitized ? 40 : 150;
  const Finished oracle = run({oracle_python(), source_path("tests/support/pattern_oracle.py"), "7",
                               std::to_string(kPatterns)});
  BOOST_TEST_REQUIRE(oracle.exit_code == 0, oracle.err);
  std::istringstream lines(oracle.out);
  int compared = 0;
  int certain = 0;
  int too_large = 0;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json wanted = nlohmann::json::parse(line);
    const auto expression = wanted.at("pattern").get<std::string>();
    BOOST_TEST_CONTEXT(expression) {
      const std::optional<Readings> readings = readings_of(expression);
      too_large += readings ? 0 : 1;
      if (!readings) continue;
      const auto& [found, may_be_found, whole] = *readings;
      for (const nlohmann::json& one : wanted.at("texts")) {
        const std::u32string text = characters_of(one.at("text"));
        ++compared;
        BOOST_TEST_CONTEXT(one.dump()) {
          // `certain` never says more than Python does, nor `possible` less.
          if (found.accepts(text)) {
            ++certain;
            BOOST_TEST(one.at("search").get<bool>());
          }
          if (one.at("search").get<bool>()) BOOST_TEST(may_be_found.accepts(text));
          if (whole.accepts(text)) BOOST_TEST(one.at("fullmatch").get<bool>());
          const bool is_ascii = std::all_of(text.begin(), text.end(), [](char32_t c) {
            return c < 0x80 && c != '\n' && c != '\r';
          });
          // Where the dialects agree, so do these.
          if (is_ascii) BOOST_TEST(found.accepts(text) == one.at("search").get<bool>());
          if (is_ascii) BOOST_TEST(whole.accepts(text) == one.at("fullmatch").get<bool>());
        }
      }
    }
  }
  BOOST_TEST(too_large * 20 <= kPatterns);
  BOOST_TEST(compared == (kPatterns - too_large) * 40);
  BOOST_TEST(certain > 6 * kPatterns);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(pattern)

BOOST_AUTO_TEST_CASE(takes_the_side_of_both_where_dialects_differ) {
  BOOST_TEST(!finds("\\d", U"\u0663"));
  BOOST_TEST(!finds("^\\D$", U"\u0663"));
  BOOST_TEST(!finds("^a$", U"a\n"));
  BOOST_TEST(!finds("^.$", U"\u2028"));
  BOOST_TEST(!finds("^\\s$", U"\u0085"));
  BOOST_TEST(!finds("^\\S$", U"\u0085"));
  BOOST_TEST(finds("^\\S$", U"\u00e9"));
  BOOST_TEST(finds("^[^\\d]$", U"x"));
  BOOST_TEST(!finds("^[^\\d]$", U"\u0663"));
}

BOOST_AUTO_TEST_CASE(refuses_what_is_not_regular_or_not_shared) {
  for (const char* pattern :
       {"(?=a)", "(?!a)", "(?<=a)b", "(?<n>a)", "(?P<n>a)", "\\bword", "(a)\\1", "\\p{L}", "a++",
        "^*", "\\Aa", "\\cA", "[[:alpha:]]", "x{,3}", "a{"})
    BOOST_TEST((refused(pattern) == Refusal::Kind::unsupported), pattern);
  for (const char* pattern : {"(a", "a)", "*a", "[a", "[b-a]", "a{3,2}", "\\"})
    BOOST_TEST((refused(pattern) == Refusal::Kind::malformed), pattern);
  for (const char* pattern : {"a{1001}", "(?:(?:a{100}){100}){100}", "(?:a|b)*a(?:a|b){14}"})
    BOOST_TEST((refused(pattern) == Refusal::Kind::too_large), pattern);
  BOOST_TEST((refused(std::string(100, '(') + std::string(100, ')')) == Refusal::Kind::too_large));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

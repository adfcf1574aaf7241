// The official JSON Schema test suite, and texts that a random generator makes of its schemas.
#include <boost/test/unit_test.hpp>
#include <map>
#include <random>
#include <sstream>

#include "small_vocabulary.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/testdata.hpp"

namespace {

using namespace gpumodel::engine::text::grammar;
using namespace gpumodel::test;
using nlohmann::json;

constexpr int kTextsOfASchema = 6;
constexpr int kMostTokens = 160;
// One schema of so many is tried.
constexpr std::size_t kEvery = kSanitized ? 10 : 1;
// Schemas that llguidance passes and that are honoured here, of a hundred.
constexpr int kHonouredPercent = 70;

std::vector<json> suite_cases() {
  const Finished oracle =
      run({oracle_python(), source_path("tests/support/json_schema_oracle.py"), "cases",
           testdata("json_schema/json_schema_test_suite_draft7_2020-12.json"),
           testdata("json_schema/llguidance_expected_json_schema_test_suite.json")});
  BOOST_TEST_REQUIRE(oracle.exit_code == 0, oracle.err);
  std::vector<json> cases;
  std::istringstream lines(oracle.out);
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);)
    if (number++ % kEvery == 0) cases.push_back(json::parse(line));
  return cases;
}

struct Counts {
  int honoured = 0;  // schemas
  int refused = 0;
  int wrong = 0;  // instances and generated texts
  int instances = 0;
  int by_format = 0;  // instances that are valid only where `format` is not obeyed
  int passed_by_llguidance = 0;
  int passed_by_both = 0;
  int texts = 0;
};

// What follows from a uniform choice, but for a preference for what closes, so that texts end.
std::optional<std::string> random_text(const CompiledPtr& compiled,
                                       const gpumodel::engine::text::Tokenizer& tokenizer,
                                       std::mt19937& random) {
  Matcher matcher(compiled);
  std::vector<std::int32_t> tokens;
  while (tokens.size() < kMostTokens) {
    std::vector<std::int32_t> choices;
    for (std::int32_t token = 0; token < tokenizer.vocab_size(); ++token)
      if (matcher.allows(token)) choices.push_back(token);
    BOOST_TEST_REQUIRE(!choices.empty(), "a text that can neither go on nor end");
    for (const char closing : {'"', ']', '}'})
      if (matcher.allows(byte_token(closing)))
        choices.insert(choices.end(), choices.size() / 4 + 1, byte_token(closing));
    const std::int32_t token = choices[random() % choices.size()];
    BOOST_TEST_REQUIRE(token != kSpecialToken);
    if (token == kEndToken) return tokenizer.decode(tokens, true);
    matcher.accept(token);
    tokens.push_back(token);
    if (matcher.is_over() && matcher.may_end()) return tokenizer.decode(tokens, true);
  }
  return std::nullopt;
}

void compare_instances(const json& schema, const CompiledPtr& compiled, Counts& counts) {
  for (const json& test : schema.at("tests")) {
    if (test.at("valid").is_null()) {
      ++counts.by_format;
      continue;
    }
    ++counts.instances;
    const bool is_valid = test.at("valid");
    bool is_taken = false;
    for (const json& text : test.at("texts")) is_taken = is_taken || takes(compiled, text);
    if (is_taken == is_valid) {
      if (test.at("expected") == "pass") ++counts.passed_by_both;
      continue;
    }
    ++counts.wrong;
    BOOST_ERROR(schema.at("file") << ", " << schema.at("name") << ", " << test.at("name") << ": "
                                  << (is_taken ? "taken" : "refused") << ": "
                                  << test.at("texts").at(0) << " by " << schema.at("schema"));
  }
}

BOOST_AUTO_TEST_SUITE(json_schema_suite, *boost::unit_test::precondition(has_oracle_python()))

BOOST_AUTO_TEST_CASE(honours_wholly_or_refuses,
                     *boost::unit_test::precondition(has_testdata("json_schema"))) {
  Compiler compiler = small_compiler();
  const auto tokenizer = small_tokenizer();
  std::mt19937 random(1);
  Counts counts;
  std::map<std::string, int> reasons;
  std::vector<json> texts;
  for (const json& schema : suite_cases()) {
    for (const json& test : schema.at("tests"))
      counts.passed_by_llguidance += test.at("expected") == "pass" ? 1 : 0;
    CompiledPtr compiled;
    try {
      compiled = compiler.get({ConstraintKind::json_schema, schema.at("schema")});
    } catch (const Refusal& refusal) {
      const bool has_valid = std::any_of(schema.at("tests").begin(), schema.at("tests").end(),
                                         [](const json& test) { return test.at("valid") == true; });
      const std::string what = refusal.what();
      // A schema that nothing obeys is refused, too; then there had better be nothing.
      BOOST_TEST((what != "no value obeys the schema" || !has_valid), schema.dump());
      ++counts.refused;
      ++reasons[what.substr(0, what.find(' '))];
      continue;
    }
    ++counts.honoured;
    compare_instances(schema, compiled, counts);
    for (int i = 0; i < kTextsOfASchema; ++i) {
      const auto text = random_text(compiled, *tokenizer, random);
      if (text) texts.push_back({{"schema", schema.at("schema")}, {"text", *text}});
    }
  }
  std::string input;
  for (const json& text : texts) input += text.dump() + "\n";
  const Finished judged =
      run({oracle_python(), source_path("tests/support/json_schema_oracle.py"), "judge"}, input);
  BOOST_TEST_REQUIRE(judged.exit_code == 0, judged.err);
  std::istringstream verdicts(judged.out);
  std::string verdict;
  for (const json& text : texts) {
    ++counts.texts;
    BOOST_TEST_REQUIRE(!!std::getline(verdicts, verdict));
    if (verdict == "ok") continue;
    ++counts.wrong;
    BOOST_ERROR("generated: " << text.at("text") << " by " << text.at("schema") << ": " << verdict);
  }
  std::string refused;
  for (const auto& [reason, count] : reasons) refused += " " + reason + " " + std::to_string(count);
  BOOST_TEST_MESSAGE("schemas: " << counts.honoured << " honoured, " << counts.refused
                                 << " refused; " << counts.instances << " instances and "
                                 << counts.texts << " generated texts, " << counts.wrong
                                 << " wrong; " << counts.by_format
                                 << " instances left out whose format alone is at fault; of "
                                 << counts.passed_by_llguidance << " that llguidance passes "
                                 << counts.passed_by_both << " pass here; refused by" << refused);
  BOOST_TEST(counts.wrong == 0);
  BOOST_TEST(counts.texts >= counts.honoured);
  BOOST_TEST(counts.passed_by_both * 100 >= counts.passed_by_llguidance * kHonouredPercent);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

// Constrained output of a real engine with a real vocabulary.
#include <nlohmann/json.hpp>
#include <regex>

#include "engine_fixture.hpp"
#include "support/testdata.hpp"

namespace gpumodel::test {
namespace {

using nlohmann::json;
using wire::Code;

constexpr char kCity[] =
    R"({"type": "object", "additionalProperties": false, "required": ["name", "size", "rivers"],
        "properties": {"name": {"type": "string"}, "size": {"enum": ["small", "large"]},
                       "rivers": {"type": "array", "maxItems": 2, "items": {"type": "string"}}}})";

wire::EngineGenerateParams constrained(const std::string& prompt, std::int64_t max_tokens) {
  wire::EngineGenerateParams params = Engine::request(prompt, max_tokens);
  params.generation.ignore_eos = false;
  return params;
}

// Whether Python's jsonschema takes the text.
std::string verdict(const std::string& schema, const std::string& text) {
  const Finished judged =
      run({oracle_python(), source_path("tests/support/json_schema_oracle.py"), "judge"},
          json{{"schema", schema}, {"text", text}}.dump() + "\n");
  return judged.out;
}

BOOST_AUTO_TEST_SUITE(engine_constraint, *boost::unit_test::precondition(has_demo_model))

BOOST_AUTO_TEST_CASE(constrained_and_free_requests_share_a_batch) {
  Engine engine;
  engine.load(1);
  const auto free_params = Engine::request("Once upon a time", 24);
  const wire::GenerateResult alone = engine.generate(free_params);

  // At a temperature at which the model says anything.
  std::vector<std::pair<std::uint32_t, std::int64_t>> begun;
  for (std::int64_t seed = 1; seed <= 4; ++seed) {
    auto params = constrained("A city in JSON: ", 400);
    params.generation.json_schema = kCity;
    params.generation.temperature = 1.5f;
    params.generation.seed = seed;
    begun.emplace_back(engine.begin(params), seed);
  }
  const std::uint32_t free = engine.begin(free_params);
  int finished = 0;
  for (const auto& [id, seed] : begun) {
    const wire::GenerateResult result = engine.end(id);
    if (result.finish == "length") continue;
    BOOST_TEST(result.finish == "stop");
    ++finished;
    if (has_oracle_python()(0)) BOOST_TEST(verdict(kCity, *result.text) == "ok\n", *result.text);
    BOOST_TEST(json::parse(*result.text).at("rivers").size() <= 2u);
  }
  BOOST_TEST(finished > 0);
  BOOST_TEST(*engine.end(free).text == *alone.text);
}

BOOST_AUTO_TEST_CASE(ends_by_itself_or_is_cut_by_length) {
  Engine engine;
  engine.load(1);
  auto params = constrained("A date: ", 64);
  params.generation.regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
  const wire::GenerateResult date = engine.generate(params);
  BOOST_TEST(date.finish == "stop");
  BOOST_TEST(std::regex_match(*date.text, std::regex("[0-9]{4}-[0-9]{2}-[0-9]{2}")), *date.text);
  params.generation.max_tokens = 3;
  const wire::GenerateResult cut = engine.generate(params);
  BOOST_TEST(cut.finish == "length");
  BOOST_TEST(date.text->starts_with(*cut.text));
  params = constrained("Yes or no: ", 8);
  params.generation.grammar = "root ::= \"yes\" | \"no\"";
  params.generation.logprobs = true;
  const wire::GenerateResult answer = engine.generate(params);
  BOOST_TEST((*answer.text == "yes" || *answer.text == "no"));
  BOOST_TEST(answer.finish == "stop");
  BOOST_TEST(answer.logprobs->size() == answer.tokens->size());
}

BOOST_AUTO_TEST_CASE(refuses_what_it_would_not_honour_and_goes_on) {
  Engine engine;
  engine.load(1);
  auto params = constrained("x", 4);
  params.generation.json_schema = R"({"items": {"uniqueItems": true}})";
  wire::Error error = engine.refusal(params);
  BOOST_TEST((error.code == Code::unsupported));
  BOOST_TEST(error.message.find("json_schema: uniqueItems") == 0u, error.message);
  BOOST_TEST(error.message.find("(/items/uniqueItems)") != std::string::npos, error.message);
  params.generation.json_schema.reset();
  params.generation.regex = "(";
  error = engine.refusal(params);
  BOOST_TEST((error.code == Code::bad_request));
  BOOST_TEST(error.message.find("regex: ") == 0u, error.message);
  params.generation.regex.reset();
  BOOST_TEST(engine.generate(params).finish != "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpumodel::test

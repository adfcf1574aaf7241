// Constrained output from the command line to the engine and back.
#include <fstream>

#include "real_daemon.hpp"

using namespace gpumodel;
using nlohmann::json;
using test::daemon;

namespace {

constexpr char kAnswer[] =
    R"({"type": "object", "additionalProperties": false, "required": ["city", "is_capital"],
        "properties": {"city": {"type": "string", "maxLength": 20}, "is_capital": {"type": "boolean"}}})";
constexpr char kQuestion[] =
    R"([{"role": "user", "content": "What is the capital of France? Answer in JSON."}])";

// A file that goes with the object.
struct TextFile {
  explicit TextFile(const std::string& text) {
    char pattern[] = "/tmp/gpumodel-constraint.XXXXXX";
    ::close(::mkstemp(pattern));
    path = pattern;
    std::ofstream(path) << text;
  }
  ~TextFile() { ::unlink(path.c_str()); }
  std::string path;
};

std::vector<std::string> generate(std::vector<std::string> more) {
  std::vector<std::string> words{"generate", "concept", "--max-tokens", "64", "--temperature", "0"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(real_constraint, *boost::unit_test::precondition(test::has_demo_model))

BOOST_AUTO_TEST_CASE(a_chat_answers_in_json_of_a_schema) {
  const TextFile schema(kAnswer);
  for (const std::string& given : {std::string(kAnswer), schema.path}) {
    const json answer =
        daemon().ask(generate({"--messages", "-", "--json-schema", given}), kQuestion);
    BOOST_TEST(answer.at("finish") == "stop");
    const json value = json::parse(answer.at("text").get<std::string>());
    BOOST_TEST(value.size() == 2u);
    BOOST_TEST(value.at("city").get<std::string>().size() <= 4 * 20u);
    BOOST_TEST(value.at("is_capital").is_boolean());
  }
}

BOOST_AUTO_TEST_CASE(output_matches_an_expression_or_a_grammar) {
  const json date =
      daemon().ask(generate({"--prompt", "A date: ", "--regex", "[0-9]{4}-[0-9]{2}"}));
  BOOST_TEST(date.at("finish") == "stop");
  const std::string text = date.at("text");
  BOOST_TEST(text.size() == 7u, text);
  BOOST_TEST(text.find_first_not_of("0123456789-") == std::string::npos, text);
  const TextFile grammar("root ::= answer\nanswer ::= \"yes\" | \"no\"\n");
  const std::string answer =
      daemon().ask(generate({"--prompt", "Is water wet? ", "--grammar", grammar.path})).at("text");
  BOOST_TEST((answer == "yes" || answer == "no"), answer);
}

BOOST_AUTO_TEST_CASE(what_would_not_be_honoured_is_refused_and_nothing_stays_leased) {
  const json unsupported = daemon().refused(
      generate({"--prompt", "x", "--json-schema", R"({"items": {"uniqueItems": true}})"}), 1);
  BOOST_TEST(unsupported.at("name") == "unsupported");
  BOOST_TEST(unsupported.at("message").get<std::string>().find("uniqueItems") != std::string::npos);
  BOOST_TEST(daemon().refused(generate({"--prompt", "x", "--regex", "("}), 1).at("name") ==
             "bad_request");
  BOOST_TEST(
      daemon().refused(generate({"--prompt", "x", "--regex", "a", "--ignore-eos"}), 1).at("name") ==
      "invalid");
  BOOST_TEST(daemon()
                 .refused(generate({"--prompt", "x", "--json-schema", "/nonexistent"}), 2)
                 .at("name") == "invalid");
  BOOST_TEST(daemon().ctl(generate({"--regex", "a", "--json-schema", "{}"})).exit_code == 2);
  BOOST_TEST(daemon().model("concept").at("leases") == 0);
}

BOOST_AUTO_TEST_SUITE_END()

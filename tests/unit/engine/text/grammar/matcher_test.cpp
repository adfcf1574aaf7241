#include "engine/text/grammar/matcher.hpp"

#include <boost/test/unit_test.hpp>

#include "small_vocabulary.hpp"
#include "support/testdata.hpp"

namespace {

using namespace gpumodel::engine::text::grammar;
using namespace gpumodel::test;

bool schema_takes(const std::string& schema, const std::string& text) {
  return takes(small_compiler().get({ConstraintKind::json_schema, schema}), text);
}

std::string refusal(ConstraintKind kind, const std::string& text) {
  try {
    small_compiler().get({kind, text});
  } catch (const Refusal& refused) {
    return refused.what();
  }
  return "taken";
}

BOOST_AUTO_TEST_SUITE(matcher)

// The mask is what trying each token byte by byte gives.
BOOST_AUTO_TEST_CASE(allows_the_tokens_whose_bytes_fit) {
  Compiler compiler = small_compiler();
  const auto tokenizer = small_tokenizer();
  const auto bytes = *tokenizer->token_bytes();
  const CompiledPtr compiled = compiler.get(
      {ConstraintKind::json_schema,
       R"({"properties": {"foo": {"type": "string", "maxLength": 3}, "é": {"items": {"minimum": 10}}}})"});
  for (const std::string text :
       {"", "{", "{\"", "{\"foo\":", "{\"foo\":\"é", "{\"é\": [12", "{\"\\\"\":"}) {
    Matcher matcher(compiled);
    for (const char byte : text) matcher.accept(byte_token(byte));
    for (std::int32_t token = 0; token < tokenizer->vocab_size(); ++token) {
      if (token == kEndToken) continue;
      const std::string& spelled = bytes[static_cast<std::size_t>(token)];
      Matcher other(compiled);
      for (const char byte : text) other.accept(byte_token(byte));
      bool fits = !spelled.empty();
      for (const char byte : spelled) {
        fits = fits && other.allows(byte_token(byte));
        if (fits) other.accept(byte_token(byte));
      }
      BOOST_TEST(matcher.allows(token) == fits, text << " and the token " << token);
    }
  }
}

BOOST_AUTO_TEST_CASE(ends_exactly_where_the_text_may_end) {
  Compiler compiler = small_compiler();
  Matcher matcher(compiler.get({ConstraintKind::regex, "[0-9]{1,2}"}));
  BOOST_TEST(!matcher.allows(kEndToken));
  matcher.accept(byte_token('4'));
  BOOST_TEST(matcher.allows(kEndToken));
  BOOST_TEST(!matcher.is_over());
  matcher.accept(byte_token('2'));
  BOOST_TEST(matcher.is_over());
  BOOST_TEST(matcher.may_end());
  BOOST_TEST(matcher.allows(kEndToken));
  BOOST_TEST(!matcher.allows(kSpecialToken));
  BOOST_TEST(!matcher.allows(100'000));
}

BOOST_AUTO_TEST_CASE(special_tokens_never_come_though_their_text_would_fit) {
  Compiler compiler = small_compiler();
  Matcher matcher(compiler.get({ConstraintKind::regex, "[{}<>a-z]*"}));
  BOOST_TEST(matcher.allows(byte_token('{')));
  BOOST_TEST(!matcher.allows(kSpecialToken));
}

BOOST_AUTO_TEST_CASE(values_and_their_one_text) {
  BOOST_TEST(schema_takes("{}", R"([1.5e3,{"a": "\u0001\n"},null, true])"));
  BOOST_TEST(!schema_takes("{}", "[1,]"));
  BOOST_TEST(!schema_takes("{}", "\"\x01\""));
  BOOST_TEST(!schema_takes("{}", "[ 1]"));
  BOOST_TEST(!schema_takes("{}", "01"));
  const std::string ordered = R"({"properties": {"b": {"type": "integer"}}, "required": ["a"]})";
  BOOST_TEST(schema_takes(ordered, R"({"b":1,"a":null,"c":2})"));
  BOOST_TEST(!schema_takes(ordered, R"({"a":null,"b":1})"));
  BOOST_TEST(!schema_takes(ordered, R"({"a":1,"a":2})"));
  BOOST_TEST(!schema_takes(ordered, R"({"b":1})"));
  BOOST_TEST(schema_takes(ordered, "3"));
}

BOOST_AUTO_TEST_CASE(recursion_that_consumes_is_followed) {
  const std::string tree =
      R"({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "required": ["sons"],
          "properties": {"sons": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
          "additionalProperties": false}}})";
  BOOST_TEST(schema_takes(tree, R"({"sons":[{"sons":[]}]})"));
  BOOST_TEST(!schema_takes(tree, R"({"sons":[{}]})"));
}

BOOST_AUTO_TEST_CASE(refusals_name_keyword_and_place) {
  const auto schema = [](const char* text) { return refusal(ConstraintKind::json_schema, text); };
  const auto names = [](const std::string& message, const std::string& what) {
    return message.find(what) != std::string::npos;
  };
  BOOST_TEST(names(schema(R"({"properties": {"a/b": {"uniqueItems": true}}})"),
                   "(/properties/a~1b/uniqueItems)"));
  BOOST_TEST(names(schema(R"({"items": {"multipleOf": 0.1}})"), "(/items/multipleOf)"));
  BOOST_TEST(names(schema(R"({"format": "hostname"})"), "(/format)"));
  BOOST_TEST(names(schema(R"({"$ref": "http://example.org/x"})"), "nothing is fetched (/$ref)"));
  BOOST_TEST(names(schema(R"({"$ref": "#"})"), "refers to itself"));
  BOOST_TEST(names(schema(R"({"minLength": -1})"), "is not a count (/minLength)"));
  BOOST_TEST(names(schema(R"({"dependencies": {}})"), "dependentRequired"));
  BOOST_TEST(names(schema(R"({"$schema": "http://json-schema.org/draft-04/schema#"})"), "$schema"));
  BOOST_TEST(names(schema(R"({"maxLength": 2000000000})"), "(/maxLength)"));
  BOOST_TEST(names(schema(R"({"type": "object", "minProperties": 3})"), "(/minProperties)"));
  BOOST_TEST(names(schema(R"x({"patternProperties": {"(?=a)": {}}})x"), "(/patternProperties)"));
  BOOST_TEST(names(schema(R"({"const": 1e300})"), "exactly"));
  BOOST_TEST(names(schema(R"({"not": {}})"), "no value obeys"));
  BOOST_TEST(names(schema("{"), "not JSON"));
  BOOST_TEST(names(schema("3"), "neither an object nor a boolean"));
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += R"({"not":)";
  BOOST_TEST(names(schema((deep + "true" + std::string(100, '}')).c_str()), "deeper"));
}

BOOST_AUTO_TEST_CASE(reads_ebnf) {
  const auto accepts = [](const char* grammar, const char* text) {
    return takes(small_compiler().get({ConstraintKind::ebnf, grammar}), text);
  };
  const char* const list =
      "root ::= \"[\" item (\",\" item){0,2} \"]\"  # a list\n"
      "item ::= [a-z]+ | [^\\x00-\\x7f]\n";
  BOOST_TEST(accepts(list, "[ab,é,c]"));
  BOOST_TEST(!accepts(list, "[ab,é,c,d]"));
  BOOST_TEST(!accepts(list, "[A]"));
  BOOST_TEST(accepts("root ::= root \"a\" | \"b\"", "baaa"));  // left recursion
  BOOST_TEST(accepts("root ::= \"(\" root? \")\"", "(())"));
  BOOST_TEST(accepts("root ::= \"\\\"\\n\\u00e9\" [\\]\\-]", "\"\né-"));
  const auto refused = [](const char* text) { return refusal(ConstraintKind::ebnf, text); };
  BOOST_TEST(refused("root ::= a") == "line 1, column 10: the rule a is not defined");
  BOOST_TEST(refused("root ::= \"a\"\nroot ::= \"b\"") ==
             "line 2, column 1: the rule root is defined twice");
  BOOST_TEST(refused("a ::= \"b\"") == "line 1, column 10: no rule is named root");
  BOOST_TEST(refused("root ::= \"a") == "line 1, column 12: an unexpected end");
  BOOST_TEST(refused("root ::= root \"a\"") == "no text matches the grammar");
  BOOST_TEST(refused("root ::= \"a\"{2000}").find("1,000") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(keeps_what_was_compiled_within_its_budget) {
  const auto tokenizer = small_tokenizer();
  Compiler compiler(tokenizer, tokenizer->vocab_size(), {kEndToken}, 200'000);
  const Constraint first{ConstraintKind::regex, "a+"};
  BOOST_TEST((compiler.find(first) == nullptr));
  const CompiledPtr compiled = compiler.get(first);
  BOOST_TEST((compiler.find(first) == compiled));
  BOOST_TEST((compiler.get(first) == compiled));
  BOOST_TEST((compiler.find({ConstraintKind::ebnf, "a+"}) == nullptr));
  for (int i = 0; i < 200; ++i)
    compiler.get({ConstraintKind::regex, "[a-z]{1,20}" + std::to_string(i)});
  BOOST_TEST((compiler.find(first) == nullptr));
}

// Writes `text` in the longest tokens that the constraint allows; what they decode to.
std::string written(const std::string& folder, const Constraint& constraint,
                    const std::string& text) {
  const auto tokenizer = std::make_shared<const gpumodel::engine::text::Tokenizer>(
      gpumodel::engine::text::Tokenizer::parse(read_file(testdata(folder + "/tokenizer.json"))));
  const auto bytes = *tokenizer->token_bytes();
  Compiler compiler(tokenizer, tokenizer->vocab_size(), {}, 1 << 20);
  Matcher matcher(compiler.get(constraint));
  std::vector<std::int32_t> tokens;
  for (std::size_t offset = 0; offset < text.size();) {
    std::int32_t longest = -1;
    std::size_t length = 0;
    for (std::int32_t token = 0; token < tokenizer->vocab_size(); ++token) {
      const std::string& spelled = bytes[static_cast<std::size_t>(token)];
      if (spelled.size() <= length || text.compare(offset, spelled.size(), spelled) != 0) continue;
      if (!matcher.allows(token)) continue;
      longest = token;
      length = spelled.size();
    }
    BOOST_TEST_REQUIRE(length > 0u, "no token for " << text.substr(offset));
    matcher.accept(longest);
    tokens.push_back(longest);
    offset += length;
  }
  BOOST_TEST(matcher.may_end());
  BOOST_TEST(tokens.size() < text.size());
  return tokenizer->decode(tokens, true);
}

constexpr char kText[] = "{\"name\": \"Zoë von  日本😀\\n\", \"list\": [12, -0.5e3, null]}";

BOOST_AUTO_TEST_CASE(byte_level_vocabulary,
                     *boost::unit_test::precondition(has_testdata("tokenizers/qwen2.5"))) {
  BOOST_TEST(written("tokenizers/qwen2.5", {ConstraintKind::json_schema, "{}"}, kText) == kText);
}

BOOST_AUTO_TEST_CASE(metaspace_vocabulary,
                     *boost::unit_test::precondition(has_testdata("models/stories260k"))) {
  BOOST_TEST(written("models/stories260k", {ConstraintKind::json_schema, "{}"}, kText) == kText);
  // Its decoder takes a first space off: nothing may begin with one, rather than lose it.
  const auto tokenizer = std::make_shared<const gpumodel::engine::text::Tokenizer>(
      gpumodel::engine::text::Tokenizer::parse(
          read_file(testdata("models/stories260k/tokenizer.json"))));
  Compiler compiler(tokenizer, tokenizer->vocab_size(), {}, 1 << 20);
  Matcher matcher(compiler.get({ConstraintKind::regex, " ?once"}));
  for (std::int32_t token = 0; token < tokenizer->vocab_size(); ++token)
    if (matcher.allows(token))
      BOOST_TEST(tokenizer->decode(std::span(&token, 1), true).starts_with('o'));
}

BOOST_AUTO_TEST_CASE(needs_no_end_token) {
  const auto tokenizer = small_tokenizer();
  Compiler compiler(tokenizer, tokenizer->vocab_size(), {}, 1 << 20);
  Matcher matcher(compiler.get({ConstraintKind::regex, "ab?"}));
  matcher.accept(byte_token('a'));
  BOOST_TEST(matcher.may_end());
  BOOST_TEST(!matcher.is_over());
  matcher.accept(byte_token('b'));
  BOOST_TEST(matcher.is_over());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

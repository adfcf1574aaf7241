#include "wire/messages.hpp"

#include <cmath>

#include "support/testdata.hpp"

using namespace gpumodel;
using wire::Code;
using wire::GenerationParams;

namespace {

GenerationParams good() {
  GenerationParams params;
  params.prompt = "hello";
  return params;
}

// The code that check() answers for good() changed by `change`; nothing where it is accepted.
template <class Change>
std::optional<Code> answer(Change change) {
  GenerationParams params = good();
  change(params);
  try {
    wire::check(params);
    return std::nullopt;
  } catch (const wire::Error& error) {
    BOOST_TEST(!error.message.empty());
    return error.code;
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(messages_test)

BOOST_AUTO_TEST_CASE(the_defaults_and_the_edges_are_accepted) {
  BOOST_TEST(!answer([](auto&) {}).has_value());
  BOOST_TEST(!answer([](auto& params) {
                params.temperature = 0.0f;
                params.top_p = 1.0f;
                params.top_k = 0;
                params.min_p = 1.0f;
                params.repetition_penalty = 100.0f;
                params.presence_penalty = -2;
                params.frequency_penalty = 2;
                params.seed = INT64_MAX;
                params.top_logprobs = 20;
                params.max_tokens = 1;
                params.logit_bias = {{0, -INFINITY}};
                params.stop = std::vector<std::string>(16, std::string(256, 'x'));
              }).has_value());
}

BOOST_AUTO_TEST_CASE(exactly_one_source) {
  BOOST_TEST((answer([](auto& p) { p.prompt.reset(); }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.tokens = std::vector<std::int32_t>{1}; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) {
                p.prompt.reset();
                p.tokens = std::vector<std::int32_t>{};
              }) == Code::invalid));
}

BOOST_AUTO_TEST_CASE(each_value_out_of_its_range_is_refused) {
  BOOST_TEST((answer([](auto& p) { p.temperature = -0.1f; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.temperature = INFINITY; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.top_p = 0.0f; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.top_p = 1.1f; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.top_k = -1; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.min_p = 1.5f; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.repetition_penalty = 0.0f; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.presence_penalty = 2.1f; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.frequency_penalty = -2.1f; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.max_tokens = 0; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.max_tokens = -2; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.seed = -1; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.top_logprobs = 21; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.stop = {""}; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.stop = {std::string(257, 'x')}; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.stop.assign(17, "x"); }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.logit_bias = {{-1, 0.0f}}; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.logit_bias = {{1, INFINITY}}; }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) { p.logit_bias.assign(1025, {1, 0.0f}); }) == Code::invalid));
}

BOOST_AUTO_TEST_CASE(one_constraint_of_bounded_size_that_may_end_the_text) {
  BOOST_TEST(!answer([](auto& p) { p.json_schema = "{}"; }).has_value());
  BOOST_TEST(!answer([](auto& p) { p.regex = std::string(256 * 1024, 'a'); }).has_value());
  BOOST_TEST(!answer([](auto& p) { p.grammar = "root ::= \"a\""; }).has_value());
  BOOST_TEST(
      (answer([](auto& p) { p.json_schema = std::string(256 * 1024 + 1, 'a'); }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) {
                p.json_schema = "{}";
                p.regex = "a";
              }) == Code::invalid));
  BOOST_TEST((answer([](auto& p) {
                p.grammar = "root ::= \"a\"";
                p.ignore_eos = true;
              }) == Code::invalid));
}

BOOST_AUTO_TEST_SUITE_END()

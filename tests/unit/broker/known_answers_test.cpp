#include "broker/known_answers.hpp"

#include <boost/test/unit_test.hpp>

using namespace gpumodel;
using broker::decisive_tokens;

namespace {

// Tokens 1, 2, ... whose likeliest leads by these margins.
wire::GenerateResult result(const std::vector<float>& margins) {
  wire::GenerateResult out;
  out.tokens.emplace();
  out.top_logprobs.emplace();
  for (const float margin : margins) {
    out.tokens->push_back(static_cast<std::int32_t>(out.tokens->size() + 1));
    out.top_logprobs->push_back(-0.25f);
    out.top_logprobs->push_back(-0.25f - margin);
  }
  return out;
}

using Tokens = std::vector<std::int32_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(known_answers)

BOOST_AUTO_TEST_CASE(tokens_count_up_to_the_first_that_was_nearly_another) {
  BOOST_TEST((decisive_tokens(result({2, 1, 0.5f})) == Tokens{1, 2, 3}));
  BOOST_TEST((decisive_tokens(result({2, 0.25f, 3})) == Tokens{1}));
  BOOST_TEST(decisive_tokens(result({0})).empty());
}

BOOST_AUTO_TEST_CASE(an_answer_without_likelihoods_is_none) {
  BOOST_CHECK_THROW(decisive_tokens({}), wire::Error);
  auto short_one = result({1, 1});
  short_one.top_logprobs->pop_back();
  BOOST_CHECK_THROW(decisive_tokens(short_one), wire::Error);
}

BOOST_AUTO_TEST_SUITE_END()

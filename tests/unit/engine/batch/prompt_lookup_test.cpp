#include "engine/batch/prompt_lookup.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

namespace {

using gpumodel::engine::batch::DraftLength;
using gpumodel::engine::batch::PromptLookup;
using Tokens = std::vector<std::int32_t>;

Tokens draft_of(PromptLookup& lookup, const Tokens& tokens, std::size_t most) {
  const auto draft = lookup.draft(tokens, most);
  return {draft.begin(), draft.end()};
}

BOOST_AUTO_TEST_SUITE(prompt_lookup)

BOOST_AUTO_TEST_CASE(guesses_what_followed_the_same_tokens_last) {
  PromptLookup lookup;
  BOOST_TEST(draft_of(lookup, {1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 8, 1, 2, 3}, 2) == (Tokens{6, 7}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(guesses_nothing_where_nothing_was_like_it) {
  PromptLookup lookup;
  BOOST_TEST(draft_of(lookup, {}, 5).empty());
  BOOST_TEST(draft_of(lookup, {1, 2, 3}, 5).empty());
  BOOST_TEST(draft_of(lookup, {1, 2, 3, 4, 1, 2}, 5).empty());
  BOOST_TEST(draft_of(lookup, {1, 2, 3, 4, 1, 2, 3}, 0).empty());
}

BOOST_AUTO_TEST_CASE(a_cycle_goes_on) {
  PromptLookup lookup;
  BOOST_TEST(draft_of(lookup, {4, 5, 4, 5, 4}, 5) == (Tokens{5, 4, 5, 4, 5}),
             boost::test_tools::per_element());
}

// By looking at every earlier place.
BOOST_AUTO_TEST_CASE(finds_the_last_place_in_texts_that_grow) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    PromptLookup lookup;
    Tokens tokens;
    while (tokens.size() < 200) {
      for (std::size_t i = 1 + random() % 5; i > 0; --i)
        tokens.push_back(static_cast<std::int32_t>(random() % 4));
      Tokens expected;
      for (std::size_t end = tokens.size() - 1; tokens.size() > 3 && end >= 3; --end)
        if (std::equal(tokens.end() - 3, tokens.end(),
                       tokens.begin() + static_cast<std::ptrdiff_t>(end) - 3)) {
          expected.push_back(tokens[end]);
          break;
        }
      BOOST_TEST(draft_of(lookup, tokens, 1) == expected, boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(length_follows_what_holds) {
  DraftLength length;
  const std::size_t first = length.next(0);
  for (int i = 0; i < 10; ++i) length.record(length.next(0), length.next(0), 0);
  BOOST_TEST(length.next(0) == DraftLength::kMost);
  for (int i = 0; i < 10; ++i) length.record(5, 1, 0);
  BOOST_TEST(length.next(0) <= first + 4);
}

BOOST_AUTO_TEST_CASE(rests_longer_and_longer_while_nothing_holds) {
  DraftLength length;
  std::size_t tokens = 0, guesses = 0;
  for (; tokens < 4000; ++tokens) {
    if (const std::size_t drafted = length.next(tokens)) {
      length.record(drafted, 0, tokens);
      ++guesses;
    }
  }
  BOOST_TEST(guesses < 30u);
  while (length.next(tokens) == 0) ++tokens;
  length.record(2, 2, tokens);
  BOOST_TEST(length.next(tokens + 1) > 2u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

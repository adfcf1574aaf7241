#include "engine/batch/output.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace gpumodel::engine::batch;
using gpumodel::engine::sample::Sample;

Sample token(std::int32_t id) { return {id, -0.5f * static_cast<float>(id), {{id, -1.0f}}}; }

BOOST_AUTO_TEST_SUITE(output)

BOOST_AUTO_TEST_CASE(a_token_comes_with_its_text) {
  Output output({{}, {}, 10});
  BOOST_TEST((output.push(token(1), "one", false) == Finish::none));
  const OutputPiece piece = output.take();
  BOOST_TEST(piece.text == "one");
  BOOST_TEST(piece.tokens == (std::vector<std::int32_t>{1}), boost::test_tools::per_element());
  BOOST_TEST(piece.logprobs == (std::vector<float>{-0.5f}), boost::test_tools::per_element());
  BOOST_TEST_REQUIRE(piece.top.size() == 1u);
  BOOST_TEST(output.take().empty());
}

BOOST_AUTO_TEST_CASE(tokens_of_one_character_come_together) {
  Output output({{}, {}, 10});
  output.push(token(1), "", true);
  BOOST_TEST(output.take().empty());
  output.push(token(2), "\xe2\x82\xac", false);
  const OutputPiece piece = output.take();
  BOOST_TEST(piece.text == "\xe2\x82\xac");
  BOOST_TEST(piece.tokens == (std::vector<std::int32_t>{1, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_held_back_token_comes_when_its_text_is_certain) {
  Output output({{}, {"STOP"}, 10});
  output.push(token(1), "a", false);
  output.push(token(2), "S", false);
  OutputPiece piece = output.take();
  BOOST_TEST(piece.text == "a");
  BOOST_TEST(piece.tokens.size() == 1u);
  output.push(token(3), "b", false);
  piece = output.take();
  BOOST_TEST(piece.text == "Sb");
  BOOST_TEST(piece.tokens == (std::vector<std::int32_t>{2, 3}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_stop_string_ends_it_and_is_not_in_the_text) {
  Output output({{}, {"ST"}, 10});
  BOOST_TEST((output.push(token(1), "aS", false) == Finish::none));
  BOOST_TEST((output.push(token(2), "Tb", false) == Finish::stop));
  output.finish("c");
  const OutputPiece piece = output.take();
  BOOST_TEST(piece.text == "a");
  BOOST_TEST(piece.tokens.size() == 2u);
  BOOST_TEST(output.tokens() == 2u);
}

BOOST_AUTO_TEST_CASE(the_length_ends_it_and_everything_comes_out) {
  Output output({{}, {"ST"}, 2});
  BOOST_TEST((output.push(token(1), "a", false) == Finish::none));
  BOOST_TEST((output.push(token(2), "S", true) == Finish::length));
  output.finish("\xef\xbf\xbd");
  const OutputPiece piece = output.take();
  BOOST_TEST(piece.text == "aS\xef\xbf\xbd");
  BOOST_TEST(piece.tokens.size() == 2u);
}

BOOST_AUTO_TEST_CASE(knows_its_end_tokens) {
  const Output output({{2, 7}, {}, 2});
  BOOST_TEST(output.is_end(7));
  BOOST_TEST(!output.is_end(3));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

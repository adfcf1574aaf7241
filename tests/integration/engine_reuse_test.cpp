// What gpumodel-engine does not compute again, and what it guesses: the answers stay the same.
#include <boost/test/unit_test.hpp>

#include "engine_fixture.hpp"
#include "support/testdata.hpp"

namespace {

namespace utf = boost::unit_test;
namespace wire = gpumodel::wire;
using gpumodel::test::Engine;
using gpumodel::test::has_demo_model;

// Longer than a page.
std::string long_prompt() {
  std::string text = "A list of cities and what they are known for.\n";
  for (const char* city : {"Paris", "London", "Madrid", "Rome", "Vienna", "Prague", "Oslo"})
    text += std::string(city) + " is known for its museums, its parks and its long history.\n";
  return text + "Berlin is known for";
}

BOOST_AUTO_TEST_SUITE(engine_reuse, *utf::precondition(has_demo_model))

BOOST_AUTO_TEST_CASE(a_prompt_that_was_there_is_not_computed_again) {
  Engine engine;
  engine.load(1, "fp32");
  const wire::EngineGenerateParams params = Engine::request(long_prompt(), 12);
  const wire::GenerateResult first = engine.generate(params);
  BOOST_TEST(first.usage.cached_tokens == 0u);
  const wire::GenerateResult second = engine.generate(params);
  BOOST_TEST(second.usage.cached_tokens >= first.usage.prompt_tokens / 32 * 32 - 32);
  BOOST_TEST(second.usage.cached_tokens < second.usage.prompt_tokens);
  BOOST_TEST(*second.text == *first.text);
}

BOOST_AUTO_TEST_CASE(another_user_s_prompt_is_not_found) {
  Engine engine;
  engine.load(1);
  wire::EngineGenerateParams params = Engine::request(long_prompt(), 2);
  params.uid = 1000;
  engine.generate(params);
  params.uid = 1001;
  BOOST_TEST(engine.generate(params).usage.cached_tokens == 0u);
  params.uid = 1000;
  BOOST_TEST(engine.generate(params).usage.cached_tokens > 0u);
}

BOOST_AUTO_TEST_CASE(guessing_changes_nothing_but_the_time) {
  Engine engine;
  engine.load(1, "fp32");
  for (const float temperature : {0.0f, 0.7f}) {
    wire::EngineGenerateParams params = Engine::request(long_prompt(), 60);
    params.generation.temperature = temperature;
    params.generation.seed = 17;
    params.generation.logprobs = true;
    params.generation.presence_penalty = 0.2;
    params.speculate = false;
    const wire::GenerateResult plain = engine.generate(params);
    params.speculate = true;
    const wire::GenerateResult guessed = engine.generate(params);
    BOOST_TEST(*guessed.text == *plain.text);
    BOOST_TEST(*guessed.tokens == *plain.tokens, boost::test_tools::per_element());
    BOOST_TEST(guessed.finish == plain.finish);
    BOOST_TEST(guessed.usage.output_tokens == plain.usage.output_tokens);
    for (std::size_t i = 0; i < plain.logprobs->size(); ++i)
      BOOST_TEST(std::abs((*guessed.logprobs)[i] - (*plain.logprobs)[i]) < 1e-3f);
  }
}

BOOST_AUTO_TEST_CASE(guessing_keeps_to_stops_and_to_a_grammar) {
  Engine engine;
  engine.load(1, "fp32");
  wire::EngineGenerateParams params = Engine::request(long_prompt(), 80);
  params.generation.stop = {"history."};
  params.speculate = false;
  const wire::GenerateResult plain = engine.generate(params);
  params.speculate = true;
  BOOST_TEST(*engine.generate(params).text == *plain.text);
  params.generation.stop.clear();
  params.generation.ignore_eos = false;
  params.generation.regex = "( is known for (its parks|its museums),){6}";
  params.speculate = false;
  const wire::GenerateResult constrained = engine.generate(params);
  BOOST_TEST(constrained.finish == "stop");
  params.speculate = true;
  BOOST_TEST(*engine.generate(params).text == *constrained.text);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

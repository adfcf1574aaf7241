#include "engine/sample/sampler.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/sample/philox.hpp"
#include "support/testdata.hpp"

namespace {

using namespace gpumodel::engine::sample;
using gpumodel::test::has_oracle_python;

std::vector<float> random_logits(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

nlohmann::json run_oracle() {
  const std::string command = gpumodel::test::oracle_python() + " " +
                              gpumodel::test::source_path("tests/support/sampling_oracle.py");
  std::FILE* pipe = ::popen(command.c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[65536];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe))
    text.append(buffer, size);
  BOOST_REQUIRE_EQUAL(::pclose(pipe), 0);
  return nlohmann::json::parse(text);
}

// It starts torch, so it is asked once.
const nlohmann::json& ask_oracle() {
  static const nlohmann::json answer = run_oracle();
  return answer;
}

SamplingParams settings_of(const nlohmann::json& json) {
  SamplingParams params;
  params.temperature = json.at("temperature");
  params.top_k = json.value("top_k", 0);
  params.top_p = json.value("top_p", 1.0f);
  params.min_p = json.value("min_p", 0.0f);
  params.repetition_penalty = json.value("repetition_penalty", 1.0f);
  return params;
}

BOOST_AUTO_TEST_SUITE(sampler)

BOOST_AUTO_TEST_CASE(keeps_what_transformers_keeps,
                     *boost::unit_test::precondition(has_oracle_python())) {
  const nlohmann::json& answer = ask_oracle();
  BOOST_TEST_REQUIRE(answer.at("cases").size() >= 20u);
  for (const nlohmann::json& wanted : answer.at("cases")) {
    BOOST_TEST_CONTEXT(wanted.at("settings").dump() << " of " << wanted.at("logits").size()) {
      auto logits = wanted.at("logits").get<std::vector<float>>();
      TokenHistory history;
      history.add_prompt(wanted.at("prompt").get<std::vector<std::int32_t>>());
      for (const std::int32_t token : wanted.at("output")) history.add_output(token);
      const SamplingParams params = settings_of(wanted.at("settings"));
      Sampler sampler(static_cast<std::int32_t>(logits.size()));
      adjust(logits, params, history);
      double total = 0.0;
      std::map<std::int32_t, double> kept;
      for (const Candidate& candidate : sampler.distribution(logits, params)) {
        kept[candidate.token] = candidate.weight;
        total += candidate.weight;
      }
      BOOST_TEST(kept.size() == wanted.at("kept").size());
      for (const auto& [token, probability] : wanted.at("kept").items()) {
        BOOST_TEST_REQUIRE(kept.count(std::stoi(token)) == 1u);
        BOOST_TEST(std::abs(kept[std::stoi(token)] / total - probability.get<double>()) < 2e-6);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(reports_log_softmax_of_the_unmodified_logits,
                     *boost::unit_test::precondition(has_oracle_python())) {
  for (const nlohmann::json& wanted : ask_oracle().at("cases")) {
    auto logits = wanted.at("logits").get<std::vector<float>>();
    const auto expected = wanted.at("log_softmax").get<std::vector<float>>();
    SamplingParams params = settings_of(wanted.at("settings"));
    params.logprobs = true;
    params.top_logprobs = 5;
    params.logit_bias = {{3, -std::numeric_limits<float>::infinity()}};
    Sampler sampler(static_cast<std::int32_t>(logits.size()));
    const Sample sample = sampler.sample(logits, params, {}, 0);
    BOOST_TEST_REQUIRE(sample.token >= 0);
    BOOST_TEST(sample.token != 3);
    BOOST_TEST(std::abs(sample.logprob - expected[static_cast<std::size_t>(sample.token)]) < 1e-5);
    BOOST_TEST_REQUIRE(sample.top.size() == 5u);
    std::vector<float> sorted = expected;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (std::size_t i = 0; i < 5; ++i) {
      BOOST_TEST(std::abs(sample.top[i].logprob - sorted[i]) < 1e-5);
      BOOST_TEST(expected[static_cast<std::size_t>(sample.top[i].token)] == sorted[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(draws_with_the_frequencies_of_the_distribution) {
  const std::vector<float> logits = random_logits(12, 7);
  SamplingParams params;
  params.temperature = 1.2f;
  params.seed = 42;
  Sampler sampler(12);
  double total = 0.0;
  std::map<std::int32_t, double> expected;
  for (const Candidate& candidate : sampler.distribution(logits, params)) {
    expected[candidate.token] = candidate.weight;
    total += candidate.weight;
  }
  constexpr int kDraws = 100000;
  std::map<std::int32_t, int> observed;
  for (int position = 0; position < kDraws; ++position) {
    std::vector<float> row = logits;
    ++observed[sampler.sample(row, params, {}, static_cast<std::uint64_t>(position)).token];
  }
  double chi_square = 0.0;
  int degrees = -1;
  for (const auto& [token, weight] : expected) {
    const double count = weight / total * kDraws;
    if (count < 5) continue;
    chi_square += (observed[token] - count) * (observed[token] - count) / count;
    ++degrees;
  }
  BOOST_TEST_REQUIRE(degrees >= 5);
  BOOST_TEST(chi_square <
             31.3);  // the 0.999 quantile for 11 degrees of freedom, the most there are
}

BOOST_AUTO_TEST_CASE(a_draw_depends_on_seed_and_position_alone) {
  const std::vector<float> logits = random_logits(500, 3);
  SamplingParams params;
  params.temperature = 1.0f;
  std::vector<std::int32_t> alone;
  Sampler first(500);
  for (std::uint64_t position = 0; position < 50; ++position) {
    std::vector<float> row = logits;
    params.seed = 11;
    alone.push_back(first.sample(row, params, {}, position).token);
  }
  Sampler second(500);
  std::vector<std::int32_t> other_seed;
  for (std::uint64_t position = 50; position-- > 0;) {
    std::vector<float> row = logits;
    params.seed = 12;
    other_seed.insert(other_seed.begin(), second.sample(row, params, {}, position).token);
    row = logits;
    params.seed = 11;
    BOOST_TEST(second.sample(row, params, {}, position).token == alone[position]);
  }
  BOOST_TEST(alone != other_seed);
}

BOOST_AUTO_TEST_CASE(greedy_takes_the_first_of_the_largest) {
  std::vector<float> logits = {0.0f, 2.0f, -1.0f, 2.0f};
  BOOST_TEST(Sampler(4).sample(logits, {}, {}, 0).token == 1);
}

BOOST_AUTO_TEST_CASE(greedy_minds_penalties_and_bias) {
  SamplingParams params;
  TokenHistory history;
  history.add_prompt(std::vector<std::int32_t>{0});
  history.add_output(1);
  history.add_output(1);
  const std::vector<float> logits = {4.0f, 3.9f, 3.0f, -1.0f};
  const auto choose = [&] {
    std::vector<float> row = logits;
    return Sampler(4).sample(row, params, history, 0).token;
  };
  params.presence_penalty = 2.0f;  // on the output alone
  BOOST_TEST(choose() == 0);
  params.repetition_penalty = 2.0f;
  BOOST_TEST(choose() == 2);
  params = {};
  params.frequency_penalty = -0.1f;  // 3.9 + 2 * 0.1
  BOOST_TEST(choose() == 1);
  params = {};
  params.logit_bias = {{3, 5.5f}};
  BOOST_TEST(choose() == 3);
}

BOOST_AUTO_TEST_CASE(never_chooses_what_the_tokenizer_does_not_know) {
  SamplingParams params;
  params.top_logprobs = 20;
  std::vector<float> logits = random_logits(64, 5);
  for (std::size_t i = 60; i < 64; ++i) logits[i] = 50.0f;
  std::vector<float> row = logits;
  const Sample greedy = Sampler(60).sample(row, params, {}, 0);
  BOOST_TEST(greedy.token < 60);
  for (const TokenLogprob& likely : greedy.top) BOOST_TEST(likely.token < 60);
  params.temperature = 100.0f;
  for (std::uint64_t position = 0; position < 200; ++position) {
    row = logits;
    BOOST_TEST(Sampler(60).sample(row, params, {}, position).token < 60);
  }
}

BOOST_AUTO_TEST_CASE(chooses_from_what_is_allowed_and_reports_the_whole_distribution) {
  const std::vector<float> logits = random_logits(70, 9);
  std::vector<std::uint32_t> allowed(3);  // 33 and 66
  allowed[1] = 1u << 1;
  allowed[2] = 1u << 2;
  SamplingParams params;
  params.logprobs = true;
  params.top_logprobs = 5;
  std::vector<float> row = logits;
  const Sample free = Sampler(70).sample(row, params, {}, 0);
  row = logits;
  const Sample bound = Sampler(70).sample(row, params, {}, 0, allowed);
  BOOST_TEST(bound.token == (logits[33] >= logits[66] ? 33 : 66));
  BOOST_TEST_REQUIRE(bound.top.size() == 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    BOOST_TEST(bound.top[i].token == free.top[i].token);
    BOOST_TEST(bound.top[i].logprob == free.top[i].logprob);
  }
  const float difference =
      logits[static_cast<std::size_t>(free.token)] - logits[static_cast<std::size_t>(bound.token)];
  BOOST_TEST(std::abs(free.logprob - bound.logprob - difference) < 1e-4f);
  // Before top-k: one that is not allowed takes nobody's place.
  params.temperature = 100.0f;
  params.top_k = 2;
  bool was_chosen[2] = {};
  for (std::uint64_t position = 0; position < 100; ++position) {
    row = logits;
    const std::int32_t token = Sampler(70).sample(row, params, {}, position, allowed).token;
    BOOST_TEST((token == 33 || token == 66));
    was_chosen[token == 66] = true;
  }
  BOOST_TEST((was_chosen[0] && was_chosen[1]));
  // A bias does not bring back what is not allowed, and may forbid the rest.
  params.logit_bias = {{0, 50.0f},
                       {33, -std::numeric_limits<float>::infinity()},
                       {66, -std::numeric_limits<float>::infinity()}};
  row = logits;
  BOOST_TEST(Sampler(70).sample(row, params, {}, 0, allowed).token == -1);
}

BOOST_AUTO_TEST_CASE(says_so_where_nothing_may_be_chosen) {
  SamplingParams params;
  for (const float temperature : {0.0f, 1.0f}) {
    params.temperature = temperature;
    std::vector<float> row(4, std::numeric_limits<float>::quiet_NaN());
    BOOST_TEST(Sampler(4).sample(row, params, {}, 0).token == -1);
    row.assign(4, 1.0f);
    params.logit_bias.clear();
    for (std::int32_t i = 0; i < 4; ++i)
      params.logit_bias.emplace_back(i, -std::numeric_limits<float>::infinity());
    BOOST_TEST(Sampler(4).sample(row, params, {}, 0).token == -1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

#include "engine/model/decoder.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/model/needs.hpp"
#include "engine/text/tokenizer.hpp"
#include "support/testdata.hpp"
#include "unit/engine/model/parity.hpp"

using namespace gpumodel::test;
namespace utf = boost::unit_test;

namespace {

void check_greedy(RunningModel& running, const Reference& reference, float margin,
                  const std::string& what) {
  for (const Reference::Prompt& prompt : reference.prompts)
    check_choices(follow(running, prompt).second, prompt, margin, what + " in its own dtype");
}

Tokens random_tokens(std::size_t count, std::int32_t vocab, unsigned seed) {
  std::mt19937 random(seed);
  Tokens tokens(count);
  for (auto& token : tokens)
    token = static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab));
  return tokens;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(decoder)

// Log-probabilities against transformers in float; greedy tokens of 16-bit models against
// transformers in their own dtype as well. There transformers rounds every intermediate result, and
// is itself off by up to 0.3 on these models.
BOOST_AUTO_TEST_CASE(agrees_with_transformers_on_random_models,
                     *utf::precondition(has_oracle_python())) {
  const auto all = backends();
  std::vector<std::string> wide, narrow;
  for (const std::string& folder : folders_in(random_models()))
    (Reference(folder).dtype == "fp32" ? wide : narrow).push_back(folder);
  const auto check = [&](const std::string& folder, const Reference& exact) {
    for (const auto& backend : all) {
      RunningModel running(folder, "auto", *backend);
      const Tolerance allowed = tolerance(running.dtype());
      const std::string what =
          std::string(backend->name()) + " " + std::filesystem::path(folder).filename().string();
      check_parity(running, exact, allowed, what);
      if (running.dtype() != io::DType::f32)
        check_greedy(running, Reference(folder), allowed.margin, what);
    }
  };
  for (const std::string& folder : wide) check(folder, Reference(folder));
  const std::vector<Reference> exact = float_references(narrow);
  for (std::size_t i = 0; i < narrow.size(); ++i) check(narrow[i], exact[i]);
}

BOOST_AUTO_TEST_CASE(agrees_with_transformers_on_the_demo_model,
                     *utf::precondition(has_demo_model) * utf::precondition(has_oracle_python())) {
  // A question in the model's own chat template.
  const Reference exact = float_references({demo_model()},
                                           "1,9690,198,2683,359,253,5356,5646,11173,3365,3511,308,"
                                           "34519,28,7018,411,407,19712,8182,2,198")
                              .front();
  for (const std::string dtype : {"fp32", "bf16"})
    for (const auto& backend : backends()) {
      RunningModel running(demo_model(), dtype, *backend);
      Tolerance allowed = tolerance(running.dtype());
      // This model's keys hold a few large numbers, which rounding to bf16 hurts: transformers,
      // which rounds everything, is off by 0.8 here.
      if (running.dtype() == io::DType::bf16) allowed.log_probability = 0.25f;
      check_parity(running, exact, allowed, std::string(backend->name()) + " demo " + dtype);
    }
}

BOOST_AUTO_TEST_CASE(chunks_of_a_prompt_give_what_the_whole_gives,
                     *utf::precondition(has_oracle_python())) {
  for (const auto& backend : backends())
    for (const std::string name :
         {"llama-f32-head40", "qwen2-bf16-sharded", "mistral-f32-window", "gemma3-f32"}) {
      RunningModel running(random_models() + "/" + name, "auto", *backend);
      const Tokens tokens = random_tokens(61, running.config().vocab_size, 1);
      Sequence whole = running.start();
      const Rows expected = running.run(whole, tokens);
      for (const std::size_t chunk : {1, 2, 7, 13, 32, 60}) {
        Sequence chunked = running.start();
        check_rows(
            std::string(backend->name()) + " " + name + " in chunks of " + std::to_string(chunk),
            running.run(chunked, tokens, chunk), expected,
            running.dtype() == io::DType::f32 ? 1e-4f : 2e-2f);
      }
    }
}

BOOST_AUTO_TEST_CASE(a_sequence_does_not_see_its_neighbours,
                     *utf::precondition(has_oracle_python())) {
  for (const auto& backend : backends()) {
    RunningModel running(random_models() + "/llama-f32-tied", "auto", *backend);
    const std::int32_t vocab = running.config().vocab_size;
    // Three steps, in which each sequence has a prompt's chunk, a token, or joins late.
    const std::vector<std::vector<Tokens>> steps{
        {random_tokens(33, vocab, 1), random_tokens(1, vocab, 2), random_tokens(40, vocab, 3)},
        {random_tokens(1, vocab, 4), random_tokens(7, vocab, 5), random_tokens(1, vocab, 6),
         random_tokens(5, vocab, 7)},
        {random_tokens(1, vocab, 8), random_tokens(1, vocab, 9), random_tokens(30, vocab, 10),
         random_tokens(1, vocab, 11)}};
    std::vector<Sequence> together, alone;
    for (const auto& step : steps) {
      while (together.size() < step.size()) {
        together.push_back(running.start());
        alone.push_back(running.start());
      }
      const Rows got = running.run_together(together, step);
      Rows expected;
      for (std::size_t i = 0; i < step.size(); ++i)
        expected.push_back(running.run_together({&alone[i], 1}, {&step[i], 1}).front());
      check_rows(std::string(backend->name()) + " mixed step", got, expected, 1e-4f);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_full_step_of_rows_works_and_gives_the_logits_asked_for,
                     *utf::precondition(has_oracle_python())) {
  for (const auto& backend : backends()) {
    RunningModel running(random_models() + "/llama-f32-tied", "auto", *backend);
    const Tokens tokens = random_tokens(model::kMaxStepRows, running.config().vocab_size, 3);
    Sequence whole = running.start();
    BOOST_REQUIRE(whole.pages.reserve(model::kMaxStepRows));
    const model::SequenceStep step{tokens, 0, whole.pages.pages(), 2};
    const float* logits = running.decoder().step({{&step, 1}});
    const std::vector<float> got(logits, logits + 2 * running.config().vocab_size);
    Sequence chunked = running.start();
    const Rows rows = running.run(chunked, tokens);
    BOOST_TEST(best_token({got.begin(), got.begin() + running.config().vocab_size}) ==
               best_token(rows[510]));
    BOOST_TEST(best_token({got.begin() + running.config().vocab_size, got.end()}) ==
               best_token(rows[511]));
  }
}

BOOST_AUTO_TEST_CASE(a_batch_that_breaks_its_contract_is_refused,
                     *utf::precondition(has_oracle_python())) {
  const auto all = backends();
  RunningModel running(random_models() + "/llama-f32-tied", "auto", *all.front(), 32);
  const std::int32_t vocab = running.config().vocab_size;
  kv::PageTable table(running.pool());
  BOOST_REQUIRE(table.reserve(600));
  const Tokens good(40, 1), negative{3, -1}, beyond{vocab}, many(513, 1);
  const auto refused = [&](const model::SequenceStep& step) {
    BOOST_CHECK_THROW(running.decoder().step({{&step, 1}}), std::invalid_argument);
  };
  refused({{}, 0, table.pages(), 0});
  refused({negative, 0, table.pages(), 1});
  refused({beyond, 0, table.pages(), 1});
  refused({good, -1, table.pages(), 1});
  refused({good, 0, table.pages().first(1), 1});
  refused({good, 0, table.pages(), 41});
  refused({good, running.config().max_position - 39, table.pages(), 1});
  refused({many, 0, table.pages(), 1});
  const model::SequenceStep logits[] = {{good, 0, table.pages(), 40},
                                        {good, 0, table.pages().subspan(2), 25}};
  BOOST_CHECK_THROW(running.decoder().step({logits}), std::invalid_argument);
  BOOST_CHECK_THROW(running.decoder().step({}), std::invalid_argument);
  const model::SequenceStep last{good, running.config().max_position - 40, table.pages(), 1};
  BOOST_CHECK_NO_THROW(running.decoder().step({{&last, 1}}));
}

BOOST_AUTO_TEST_CASE(the_buffers_fill_the_workspace) {
  io::ModelConfig config;
  config.hidden_size = 60;
  config.layers = 3;
  config.heads = 3;
  config.kv_heads = 1;
  config.head_dim = 20;
  config.intermediate_size = 101;
  config.vocab_size = 331;
  alignas(64) static std::byte base[1];
  const model::Workspace buffers = model::lay_out_workspace(config, base);
  const auto end =
      reinterpret_cast<std::byte*>(buffers.logits + model::kMaxLogitRows * config.vocab_size) -
      base;
  const auto bytes = static_cast<std::ptrdiff_t>(model::workspace_bytes(config));
  BOOST_TEST(end <= bytes);
  BOOST_TEST(end > bytes - 4096 - 64);
}

// What others published about the trained model: its greedy story, and a sentence's perplexity.
BOOST_AUTO_TEST_CASE(tells_the_published_story,
                     *utf::precondition(has_testdata("models/stories260k"))) {
  const std::string folder = testdata("models/stories260k");
  const auto golden = nlohmann::json::parse(read_file(folder + "/golden_published.json"));
  const auto tokenizer =
      gpumodel::engine::text::Tokenizer::parse(read_file(folder + "/tokenizer.json"));
  const auto& story = golden.at("karpathy_test_all");
  const auto& sentence = golden.at("bennyz_eval_golden");
  constexpr std::int32_t kBegin = 1;  // ends a story, too
  for (const auto& backend : backends()) {
    BOOST_TEST_CONTEXT(backend->name()) {
      RunningModel running(folder, "auto", *backend);
      Sequence sequence = running.start();
      Tokens tokens{kBegin};
      for (int i = 0; i < story.at("steps").get<int>(); ++i) {
        const std::int32_t next = best_token(running.run(sequence, {{tokens.back()}}).front());
        if (next == kBegin) break;
        tokens.push_back(next);
      }
      const auto text = tokenizer.decode(std::span(tokens).subspan(1), /*skip_special=*/true);
      const auto expected = story.at("expected_text").get<std::string>();
      BOOST_TEST(text.substr(text.find_first_not_of(' ')) == expected);

      Tokens ids =
          tokenizer.encode(sentence.at("sentence").get<std::string>(), /*add_special=*/false);
      ids.insert(ids.begin(), kBegin);
      Sequence scored = running.start();
      const Rows rows = running.run(scored, ids);
      double loss = 0;
      for (std::size_t i = 1; i < ids.size(); ++i)
        loss -= double{rows[i - 1][static_cast<std::size_t>(ids[i])]};
      BOOST_TEST_MESSAGE(backend->name() << ": " << ids.size() << " tokens, loss " << loss);
      BOOST_TEST(loss == sentence.at("nll").get<double>(), boost::test_tools::tolerance(1e-3));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

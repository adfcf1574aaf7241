#include "engine/model/adapter.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "support/testdata.hpp"
#include "unit/engine/model/parity.hpp"

using namespace gpumodel::test;
namespace memory = gpumodel::engine::memory;
namespace utf = boost::unit_test;

namespace {

constexpr std::uint64_t kBudgetBytes = std::uint64_t{64} << 20;
// Two of each row of the table of architectures, in float and in 16 bits.
const std::vector<std::string> kBases{
    "llama-f32-head40", "llama-bf16-sharded", "qwen2-f32-tied",     "qwen2-bf16-sharded",
    "qwen3-f32",        "qwen3-bf16",         "mistral-f32-window", "mistral-bf16",
    "smollm3-f32",      "smollm3-bf16",       "gemma2-f32",         "gemma2-bf16",
    "gemma3-f32",       "gemma3-bf16",        "phi3-f32",           "phi3-bf16"};

// The adapters of adapter_reference.py for these bases: the folder of all.
const std::string& random_adapters() {
  static const std::string made = [] {
    const std::string folder = scratch("adapters");
    std::vector<std::string> arguments{source_path("tests/support/adapter_reference.py"), folder};
    for (const std::string& base : kBases) arguments.push_back(random_models() + "/" + base);
    run_oracle(arguments);
    return folder;
  }();
  return made;
}

struct Loaded {
  Loaded(const std::string& folder, const io::ModelConfig& base)
      : budget(kBudgetBytes),
        adapter(model::load_adapter(model::open_adapter(folder, base), {budget, "adapter"},
                                    {.threads = 2, .stop = {}, .progress = {}, .gives_way = {}})) {}

  const model::AdapterWeights* weights() const { return &adapter.weights; }

  memory::Budget budget;
  model::LoadedAdapter adapter;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(adapter, *utf::precondition(has_oracle_python()))

BOOST_AUTO_TEST_CASE(agrees_with_peft) {
  for (const std::string& base : kBases)
    for (const auto& backend : backends()) {
      RunningModel running(random_models() + "/" + base, "auto", *backend);
      for (const std::string name : {"first", "second"}) {
        const std::string folder = random_adapters() + "/" + base + "/" + name;
        const Loaded loaded(folder, running.config());
        const Reference reference(folder);
        const std::string what = std::string(backend->name()) + " " + base + " " + name;
        check_parity(running, reference, tolerance(running.dtype()), what, loaded.weights());
        // An adapter that did nothing would be close to the base, too.
        const Reference::Prompt& prompt = reference.prompts.back();
        const Rows without = follow(running, prompt).first;
        BOOST_TEST(largest_difference(without, prompt.prefill) > 0.5f, what);
      }
    }
}

BOOST_AUTO_TEST_CASE(sequences_with_other_adapters_and_with_none_share_a_step) {
  const std::string base = "llama-f32-head40";
  for (const auto& backend : backends()) {
    RunningModel running(random_models() + "/" + base, "auto", *backend);
    const Loaded first(random_adapters() + "/" + base + "/first", running.config());
    const Loaded second(random_adapters() + "/" + base + "/second", running.config());
    const model::AdapterWeights* const of_sequence[] = {
        first.weights(), first.weights(), nullptr, second.weights(), nullptr, first.weights()};
    const std::vector<std::vector<Tokens>> steps{
        {{1, 2, 3}, {4}, {5, 6}, {7, 8, 9, 10}, {11}, Tokens(20, 12)},
        {{13}, {14, 15}, {16}, {17}, Tokens(15, 18), {19}}};
    std::vector<Sequence> together, alone;
    for (const model::AdapterWeights* adapter : of_sequence) {
      together.push_back(running.start(adapter));
      alone.push_back(running.start(adapter));
    }
    for (const auto& step : steps) {
      const Rows got = running.run_together(together, step);
      Rows expected;
      for (std::size_t i = 0; i < step.size(); ++i)
        expected.push_back(running.run_together({&alone[i], 1}, {&step[i], 1}).front());
      check_rows(std::string(backend->name()) + " mixed step", got, expected, 1e-4f);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_adapter_of_another_base_is_refused) {
  const auto all = backends();
  RunningModel running(random_models() + "/llama-f32-tied", "auto", *all.front());
  const std::string folder = random_adapters() + "/llama-f32-head40/first";
  BOOST_CHECK_THROW(model::open_adapter(folder, running.config()), gpumodel::engine::BadModel);
  RunningModel own(random_models() + "/llama-f32-head40", "auto", *all.front());
  const Loaded loaded(folder, own.config());
  Sequence sequence = running.start(loaded.weights());
  const Tokens tokens{1};
  BOOST_CHECK_THROW(running.run(sequence, tokens), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(an_adapter_s_memory_is_counted_and_given_back) {
  const auto all = backends();
  RunningModel running(random_models() + "/qwen3-f32", "auto", *all.front());
  const std::string folder = random_adapters() + "/qwen3-f32/first";
  const model::AdapterSource source = model::open_adapter(folder, running.config());
  memory::Budget budget(kBudgetBytes);
  {
    const model::LoadedAdapter loaded = model::load_adapter(source, {budget, "adapter"}, {});
    BOOST_TEST(loaded.arena.bytes() == source.bytes);
    BOOST_TEST(budget.used_bytes() == source.bytes);
    BOOST_TEST(loaded.arena.resident_bytes() == source.bytes);
  }
  BOOST_TEST(budget.used_bytes() == 0u);
  memory::Budget small(source.bytes - 1);
  BOOST_CHECK_THROW(model::load_adapter(source, {small, "adapter"}, {}), memory::OutOfMemory);
}

BOOST_AUTO_TEST_SUITE_END()

// Adapters of a real engine: random ones over the demo model's queries and values.
#include "adapter_folder.hpp"
#include "engine_fixture.hpp"

namespace gpumodel::test {
namespace {

using wire::Code;

constexpr std::uint64_t kWeights = 1;

wire::AdapterFacts facts_of(const TemporaryFolder& folder) {
  Child probe({program("gpumodel-engine"), "--probe", "--fd", "FD"});
  return *probe.client
              ->call<wire::InspectResult>("inspect",
                                          wire::InspectParams{demo_model(), "auto", folder.path()})
              .adapter;
}

struct AdaptedEngine : Engine {
  AdaptedEngine() { load(kWeights); }

  wire::LoadResult load_adapter(std::uint64_t id, const TemporaryFolder& folder) {
    return client->call<wire::LoadResult>(
        "load_adapter",
        wire::LoadAdapterParams{id, demo_model(), folder.path(), facts_of(folder).identity});
  }
  static wire::EngineGenerateParams with(std::optional<std::uint64_t> adapter,
                                         std::int64_t max_tokens = 16) {
    wire::EngineGenerateParams params = request("The capital of France is", max_tokens);
    params.weights = kWeights;
    params.adapter = adapter;
    return params;
  }
  std::string text(std::optional<std::uint64_t> adapter) { return *generate(with(adapter)).text; }
  std::size_t resident_count() {
    return client->call<wire::MeasureResult>("measure", wire::Empty{}).weights.size();
  }
};

BOOST_AUTO_TEST_SUITE(engine_adapter, *boost::unit_test::precondition(has_demo_model))

BOOST_AUTO_TEST_CASE(each_generation_speaks_with_its_own_adapter_also_in_one_batch) {
  const AdapterFolder first(1), second(2, 9);
  AdaptedEngine engine;
  const std::string plain = engine.text(std::nullopt);
  const wire::LoadResult loaded = engine.load_adapter(2, first);
  BOOST_TEST(loaded.tensor_bytes == facts_of(first).bytes);
  BOOST_TEST(loaded.kv_bytes == 0u);
  engine.load_adapter(3, second);
  BOOST_TEST(engine.resident_count() == 3u);
  const std::string by_first = engine.text(2), by_second = engine.text(3);
  BOOST_TEST(by_first != plain);
  BOOST_TEST(by_second != plain);
  BOOST_TEST(by_second != by_first);

  std::vector<std::pair<std::uint32_t, std::string>> begun;
  for (int round = 0; round < 2; ++round) {
    begun.emplace_back(engine.begin(AdaptedEngine::with(2)), by_first);
    begun.emplace_back(engine.begin(AdaptedEngine::with(std::nullopt)), plain);
    begun.emplace_back(engine.begin(AdaptedEngine::with(3)), by_second);
  }
  for (const auto& [id, expected] : begun) BOOST_TEST(*engine.end(id).text == expected);
}

BOOST_AUTO_TEST_CASE(an_unload_ends_what_uses_it_and_gives_the_memory_back) {
  const AdapterFolder folder(1);
  AdaptedEngine engine;
  const std::string plain = engine.text(std::nullopt);
  const std::uint64_t bytes = engine.load_adapter(2, folder).tensor_bytes;
  const std::string adapted = engine.text(2);
  const std::uint32_t running = engine.begin(AdaptedEngine::with(2, 1000));
  const std::uint32_t other = engine.begin(AdaptedEngine::with(std::nullopt));
  const auto unloaded = engine.client->call<wire::UnloadResult>("unload", wire::UnloadParams{2});
  BOOST_TEST(engine.end(running).finish == "cancelled");
  BOOST_TEST(*engine.end(other).text == plain);
  BOOST_TEST(unloaded.expected_bytes == bytes);
  BOOST_TEST(unloaded.freed_bytes == bytes);
  BOOST_TEST(unloaded.residual_bytes == 0u);
  BOOST_TEST(engine.resident_count() == 1u);
  BOOST_TEST((engine.refusal(AdaptedEngine::with(2)).code == Code::state));
  engine.load_adapter(4, folder);
  BOOST_TEST(engine.text(4) == adapted);
}

BOOST_AUTO_TEST_CASE(what_is_no_adapter_of_the_model_is_refused_and_nothing_stays) {
  const AdapterFolder folder(1);
  AdaptedEngine engine;
  const auto refused = [&](const wire::LoadAdapterParams& params) {
    return engine.client->ask("load_adapter", params).error();
  };
  wire::LoadAdapterParams params{2, demo_model(), folder.path(), "another identity"};
  BOOST_TEST((refused(params).code == Code::model_bad));
  params.adapter_path = "/nonexistent";
  BOOST_TEST((refused(params).code == Code::model_bad));
  folder.write("adapter_config.json", R"({"peft_type": "LORA", "r": 4, "use_dora": true})");
  params.adapter_path = folder.path();
  const wire::Error dora = refused(params);
  BOOST_TEST((dora.code == Code::model_bad));
  BOOST_TEST(dora.message.find("use_dora") != std::string::npos, dora.message);
  BOOST_TEST((engine.refusal(AdaptedEngine::with(2)).code == Code::state));
  BOOST_TEST(engine.resident_count() == 1u);
  const AdapterFolder good(2);
  engine.load_adapter(2, good);  // the id is free again
  BOOST_TEST(engine.text(2) != engine.text(std::nullopt));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpumodel::test

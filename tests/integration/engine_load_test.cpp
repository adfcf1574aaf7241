// Loads, unloads and host images of gpumodel-engine itself, with the real demo model.
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "engine_fixture.hpp"

namespace {

namespace utf = boost::unit_test;
namespace wire = gpumodel::wire;
using gpumodel::test::Answer;
using gpumodel::test::Engine;
using gpumodel::test::has_demo_model;
using gpumodel::test::kMiB;

BOOST_AUTO_TEST_SUITE(engine_load, *utf::precondition(has_demo_model))

BOOST_AUTO_TEST_CASE(an_unload_is_measured_and_three_loads_do_not_grow) {
  Engine engine;
  const std::uint64_t before = engine.started.resident_bytes;
  std::vector<std::uint64_t> after;
  for (std::uint64_t weights = 1; weights <= 3; ++weights) {
    const wire::LoadResult loaded = engine.load(weights);
    BOOST_TEST(loaded.resident_bytes > before + 200 * kMiB);
    auto params = Engine::request("Once upon a time", -1);
    params.weights = weights;
    const std::uint32_t running = engine.begin(params);
    const wire::UnloadResult unloaded = engine.unload(weights);
    BOOST_TEST(engine.end(running).finish == "cancelled");
    BOOST_TEST(unloaded.expected_bytes >= loaded.tensor_bytes);
    BOOST_TEST(unloaded.freed_bytes == unloaded.expected_bytes);
    BOOST_TEST(unloaded.residual_bytes == 0u);
    after.push_back(unloaded.resident_bytes);
    BOOST_TEST(after.back() < before + 64 * kMiB);
  }
  BOOST_TEST(after.back() < after.front() + 16 * kMiB);
}

BOOST_AUTO_TEST_CASE(a_load_reports_progress_and_can_be_cancelled) {
  Engine engine;
  const auto params = Engine::load_params(1, "fp32");
  const Answer whole = engine.client->ask("load", params);
  BOOST_TEST(!whole.failed());
  BOOST_TEST_REQUIRE(!whole.notifications.empty());
  const auto progress = wire::decode<wire::LoadProgress>(whole.notifications.front().params);
  BOOST_TEST(progress.weights == 1u);
  BOOST_TEST(progress.total_bytes > 200 * kMiB);
  engine.unload(1);
  auto again = params;
  again.weights = 2;
  const std::uint32_t id = engine.client->send("load", again);
  engine.client->cancel(id);
  const Answer cancelled = engine.client->wait(id);
  BOOST_TEST_REQUIRE(cancelled.failed());
  BOOST_TEST((cancelled.error().code == wire::Code::interrupted));
  const auto measured = engine.client->call<wire::MeasureResult>("measure", wire::Empty{});
  BOOST_TEST(measured.weights.empty());
  BOOST_TEST(measured.resident_bytes < engine.started.resident_bytes + 64 * kMiB);
}

BOOST_AUTO_TEST_CASE(a_load_that_cannot_be_is_refused) {
  Engine engine(64 * kMiB);
  auto params = Engine::load_params(1, "bf16");
  BOOST_TEST((engine.client->ask("load", params).error().code == wire::Code::nomem));
  params.identity = "another";
  BOOST_TEST((engine.client->ask("load", params).error().code == wire::Code::model_bad));
  params.path = std::filesystem::temp_directory_path() / "gpumodel-no-such-folder";
  const wire::Error error = engine.client->ask("load", params).error();
  BOOST_TEST((error.code == wire::Code::model_bad));
  BOOST_TEST(error.message.find("gpumodel-no-such-folder") == std::string::npos);
  params.dtype = "int3";
  BOOST_TEST((engine.client->ask("load", params).error().code == wire::Code::invalid));
}

BOOST_AUTO_TEST_CASE(a_generation_goes_on_during_a_load) {
  Engine engine;
  engine.load(1);
  auto params = Engine::request("Once upon a time", -1);
  params.generation.stream = true;
  const std::uint32_t running = engine.begin(params);
  engine.client->read_frame();
  bool went_on = false;
  for (std::uint64_t weights = 2; weights < 100 && !went_on; ++weights) {
    const Answer loaded = engine.client->ask("load", Engine::load_params(weights, "fp32"));
    BOOST_TEST_REQUIRE(!loaded.failed());
    // What came between the load's first progress and its answer.
    bool has_begun = false;
    for (const wire::Frame& frame : loaded.notifications) {
      if (frame.method == "load.progress") has_begun = true;
      if (frame.method == "generate.chunk" && has_begun) went_on = true;
    }
    engine.unload(weights);
  }
  BOOST_TEST(went_on);
  engine.client->cancel(running);
  BOOST_TEST(engine.end(running).finish == "cancelled");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

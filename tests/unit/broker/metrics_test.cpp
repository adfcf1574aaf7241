#include "broker/metrics.hpp"

#include <boost/test/unit_test.hpp>

#include "support/sanitized.hpp"

using namespace gpumodel;
using namespace gpumodel::broker;
using namespace std::chrono_literals;
using core::Happened;
using wire::Code;

namespace {

constexpr core::ModelId kModel{2};
constexpr core::DeviceId kDevice{1};

Happened about(Happened::Type type) { return {.type = type, .model = kModel, .device = kDevice}; }

wire::Usage usage(std::uint64_t output, std::uint64_t first_us, std::uint64_t total_us) {
  wire::Usage out;
  out.prompt_tokens = 10;
  out.cached_tokens = 4;
  out.output_tokens = output;
  out.queue_us = 500;
  out.first_token_us = first_us;
  out.total_us = total_us;
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(metrics_test)

BOOST_AUTO_TEST_CASE(a_value_on_a_bound_counts_below_it) {
  constexpr Histogram::Duration kBounds[] = {1ms, 10ms, 100ms};
  Histogram histogram{kBounds};
  for (const auto value : {0us, 1000us, 1001us, 10000us, 100000us, 100001us, 9000000us})
    histogram.observe(value);
  BOOST_TEST(histogram.count() == 7u);
  BOOST_TEST(histogram.count_up_to(0) == 2u);
  BOOST_TEST(histogram.count_up_to(1) == 4u);
  BOOST_TEST(histogram.count_up_to(2) == 5u);
  BOOST_TEST(histogram.sum().count() == 9212002);
}

BOOST_AUTO_TEST_CASE(the_bounds_ascend_and_fit) {
  for (const Histogram::Bounds all :
       {bounds::kWait, bounds::kLoad, bounds::kUnload, bounds::kAnswer, bounds::kToken}) {
    BOOST_TEST(all.size() <= Histogram::kMostBounds);
    BOOST_TEST(std::is_sorted(all.begin(), all.end(), std::less_equal<>{}));
  }
}

BOOST_AUTO_TEST_CASE(what_was_never_counted_is_not_found) {
  Metrics metrics({});
  BOOST_TEST(metrics.find(kModel) == nullptr);
  metrics.happened(about(Happened::Type::evicting));
  BOOST_TEST(metrics.find(kModel)->evicted == 1u);
  BOOST_TEST(metrics.find(core::ModelId{1})->evicted == 0u);
  BOOST_TEST(metrics.find(core::ModelId{3}) == nullptr);
  BOOST_TEST(metrics.find(core::ModelId{}) == nullptr);
  BOOST_TEST(metrics.find(kDevice) == nullptr);
}

BOOST_AUTO_TEST_CASE(every_lease_of_a_grant_counts) {
  Metrics metrics({});
  core::Granted granted;
  granted.waited = 20ms;
  granted.loaded = 5s;
  for (const std::uint64_t model : {1, 2, 2}) {
    core::GrantedLease lease;
    lease.model = {model};
    granted.leases.push_back(lease);
  }
  metrics.granted(granted);
  metrics.happened(about(Happened::Type::released));
  metrics.happened(about(Happened::Type::revoked));
  const ModelCounts& counts = *metrics.find(kModel);
  BOOST_TEST(counts.granted == 2u);
  BOOST_TEST(counts.ended == 2u);
  BOOST_TEST(counts.lease_wait.count() == 2u);
  BOOST_TEST(counts.lease_wait.sum().count() == 40'000);
}

BOOST_AUTO_TEST_CASE(loads_count_where_they_came_from) {
  Metrics metrics({});
  Happened load = about(Happened::Type::loaded);
  load.bytes = 100;
  load.took = 30ms;
  metrics.happened(load);
  load.image = core::HostImage::fill;
  metrics.happened(load);
  load.image = core::HostImage::use;
  metrics.happened(load);
  load.is_adapter = true;
  metrics.happened(load);
  metrics.happened(about(Happened::Type::load_failed));
  const ModelCounts& counts = *metrics.find(kModel);
  BOOST_TEST(counts.load_from_disk.count() == 2u);
  BOOST_TEST(counts.load_from_host.count() == 1u);
  BOOST_TEST(counts.adapter_load.count() == 1u);
  BOOST_TEST(counts.adapter_load.sum().count() == 30'000);
  BOOST_TEST(counts.loaded_bytes == 400u);
  BOOST_TEST(counts.failed_loads == 1u);
}

BOOST_AUTO_TEST_CASE(unloads_engines_and_images_count) {
  Metrics metrics({});
  Happened unload = about(Happened::Type::unloaded);
  unload.bytes = 90;
  unload.took = 4ms;
  unload.residual_bytes = 10;
  metrics.happened(unload);
  for (const auto type :
       {Happened::Type::residual, Happened::Type::suspended, Happened::Type::resumed,
        Happened::Type::image_filled, Happened::Type::image_dropped, Happened::Type::image_dropped})
    metrics.happened(about(type));
  for (const auto type :
       {Happened::Type::engine_started, Happened::Type::engine_lost, Happened::Type::device_failed})
    metrics.happened({.type = type, .device = kDevice});
  const ModelCounts& counts = *metrics.find(kModel);
  BOOST_TEST(counts.unload.count() == 1u);
  BOOST_TEST(counts.freed_bytes == 90u);
  BOOST_TEST(counts.residual_bytes == 10u);
  BOOST_TEST(counts.residuals == 1u);
  BOOST_TEST(counts.suspended == 1u);
  BOOST_TEST(counts.resumed == 1u);
  BOOST_TEST(metrics.filled_images() == 1u);
  BOOST_TEST(metrics.dropped_images() == 2u);
  BOOST_TEST(metrics.find(kDevice)->engine_starts == 1u);
  BOOST_TEST(metrics.find(kDevice)->engine_losses == 2u);
}

BOOST_AUTO_TEST_CASE(a_generation_gives_its_tokens_and_times) {
  Metrics metrics({});
  metrics.generation_used(kModel, usage(11, 100'000, 300'000), 50ms);
  const ModelCounts& counts = *metrics.find(kModel);
  BOOST_TEST(counts.prompt_tokens == 10u);
  BOOST_TEST(counts.cached_tokens == 4u);
  BOOST_TEST(counts.output_tokens == 11u);
  BOOST_TEST(counts.queue.sum().count() == 50'500);
  BOOST_TEST(counts.first_token.sum().count() == 150'000);
  BOOST_TEST(counts.per_token.sum().count() == 20'000);
  BOOST_TEST(counts.whole.sum().count() == 350'000);
}

BOOST_AUTO_TEST_CASE(without_a_second_token_there_is_no_time_between_tokens) {
  Metrics metrics({});
  metrics.generation_used(kModel, usage(0, 0, 300'000), 0ms);
  const ModelCounts& counts = *metrics.find(kModel);
  BOOST_TEST(counts.first_token.count() == 0u);
  metrics.generation_used(kModel, usage(1, 100'000, 300'000), 0ms);
  BOOST_TEST(counts.first_token.count() == 1u);
  BOOST_TEST(counts.per_token.count() == 0u);
  // What no engine means: nothing overflows, and nothing is below zero.
  metrics.generation_used(kModel, usage(3, 300'000, 100'000), 0ms);
  metrics.generation_used(kModel, usage(3, ~0ull, ~0ull), 0ms);
  BOOST_TEST(counts.per_token.count() == 1u);
  BOOST_TEST(counts.whole.sum().count() > 0);
}

BOOST_AUTO_TEST_CASE(ends_count_by_word_and_by_error) {
  Metrics metrics({});
  for (const char* word : {"stop", "stop", "length", "cancelled", "deadline", "nonsense"})
    metrics.generation_finished(kModel, finish_of(word));
  metrics.generation_failed(kModel, Code::overrun);
  const ModelCounts& counts = *metrics.find(kModel);
  const auto of = [&](Finish finish) { return counts.finished[static_cast<std::size_t>(finish)]; };
  BOOST_TEST(of(Finish::stop) == 2u);
  BOOST_TEST(of(Finish::length) == 1u);
  BOOST_TEST(of(Finish::other) == 1u);
  BOOST_TEST(counts.failed.of(Code::overrun) == 1u);
  BOOST_TEST(counts.failed.of(Code::engine_lost) == 0u);
}

BOOST_AUTO_TEST_CASE(requests_count_by_method) {
  Metrics metrics({"hello", "status"});
  metrics.answered(Metrics::kFirstMethod + 1);
  metrics.failed(Metrics::kFirstMethod, Code::version);
  metrics.failed(Metrics::kUnknown, Code::unsupported);
  metrics.failed(Metrics::kUnread, static_cast<Code>(7));  // no code of ours does no harm
  BOOST_TEST(metrics.methods().size() == 4u);
  BOOST_TEST(metrics.methods()[3].name == "status");
  BOOST_TEST(metrics.methods()[3].ok == 1u);
  BOOST_TEST(metrics.methods()[2].failed.of(Code::version) == 1u);
  BOOST_TEST(metrics.methods()[1].failed.of(Code::unsupported) == 1u);
}

// All that one generation adds. The bound is ten times what it takes.
BOOST_AUTO_TEST_CASE(a_request_costs_far_less_than_a_microsecond,
                     *boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
                       return boost::test_tools::assertion_result(!test::kSanitized);
                     })) {
  Metrics metrics({"generate"});
  constexpr int kRounds = 200'000;
  double best_ns = 1e9;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; ++i) {
      const auto length = static_cast<std::uint64_t>(i);
      metrics.generation_used(kModel, usage(20, 1000 + length, 90'000 + length), 0ms);
      metrics.generation_finished(kModel, Finish::stop);
      metrics.answered(Metrics::kFirstMethod);
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best_ns = std::min(best_ns, took.count() / kRounds);
  }
  BOOST_TEST_MESSAGE("ns for a generation: " << best_ns);
  BOOST_TEST(best_ns < 500);
}

BOOST_AUTO_TEST_SUITE_END()

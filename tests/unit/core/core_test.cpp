// The decision core in scenarios, each a short story told to a World.
#include "core/core.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "world.hpp"

namespace gpumodel::test {
namespace {

using namespace gpumodel::core;
using namespace std::chrono_literals;
using Code = Refusal::Code;
using Outcome = ReleaseReport::Outcome;

ModelSpec sized(Bytes tensor_bytes, AutoUnload::Kind kind = AutoUnload::Kind::at_last_release) {
  ModelSpec spec;
  spec.tensor_bytes = tensor_bytes;
  spec.context_tokens = 32;
  spec.auto_unload.kind = kind;
  return spec;
}

ModelSpec kept(Bytes tensor_bytes) { return sized(tensor_bytes, AutoUnload::Kind::when_needed); }

// One device of 100 bytes, and two sessions.
struct Box {
  World world;
  DeviceId gpu = world.device(100);
  SessionId alice = world.session(1000);
  SessionId bob = world.session(1001);

  LeaseId held(SessionId session, ModelId model) {
    const RequestId request = world.acquire(session, {model});
    world.settle();
    return world.lease_of(request);
  }
  bool refused_as(RequestId request, Code code) const {
    const Refused* answer = world.refused(request);
    return answer != nullptr && answer->refusal.code == code;
  }
  Outcome outcome(RequestId request) const { return world.released(request)->report.outcome; }
  template <class T>
  std::size_t last() const {
    const Effects& effects = world.last_effects();
    return static_cast<std::size_t>(
        std::count_if(effects.begin(), effects.end(),
                      [](const Effect& effect) { return std::holds_alternative<T>(effect); }));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(core_scenarios, Box)

BOOST_AUTO_TEST_CASE(a_first_acquire_starts_the_engine_loads_and_is_granted) {
  const ModelId model = world.model(sized(60));
  const RequestId request = world.acquire(alice, {model});
  BOOST_TEST(last<StartEngine>() == 1U);
  BOOST_TEST(last<Load>() == 0U);
  world.answer(0);
  BOOST_TEST(last<Load>() == 1U);
  BOOST_TEST(!world.granted(request));
  world.advance(250ms);
  world.answer(0);
  const Granted* granted = world.granted(request);
  BOOST_REQUIRE(granted);
  BOOST_TEST(granted->waited.count() == 0);
  BOOST_TEST(granted->loaded.count() == 250);
  BOOST_TEST(world.used(gpu) == 60U);
  BOOST_TEST(world.row(model).load->took.count() == 250);
  BOOST_TEST((world.row(model).state == ModelState::ready));
}

BOOST_AUTO_TEST_CASE(a_resident_model_is_granted_at_once_and_loaded_once) {
  const ModelId model = world.model(sized(60));
  held(alice, model);
  const RequestId request = world.acquire(bob, {model, model});
  BOOST_REQUIRE(world.granted(request));
  BOOST_TEST(world.granted(request)->leases.size() == 2U);
  BOOST_TEST(last<Load>() == 0U);
  BOOST_TEST(world.used(gpu) == 60U);
  BOOST_TEST(world.row(model).leases == 3U);
}

BOOST_AUTO_TEST_CASE(models_on_one_weights_share_one_resident) {
  ModelSpec spec = sized(80);
  spec.weights = WeightsId{7};
  const ModelId one = world.model(spec);
  const ModelId two = world.model(spec);
  const RequestId request = world.acquire(alice, {one, two});
  world.settle();
  const Granted* granted = world.granted(request);
  BOOST_REQUIRE(granted);
  BOOST_TEST((granted->leases[0].resident == granted->leases[1].resident));
  BOOST_TEST(world.used(gpu) == 80U);
  const RequestId first = world.release(granted->leases[0].lease);
  BOOST_TEST((outcome(first) == Outcome::still_leased));
  BOOST_TEST(world.released(first)->report.remaining_leases == 1U);
}

BOOST_AUTO_TEST_CASE(the_last_release_is_answered_when_the_memory_was_measured) {
  const ModelId model = world.model(sized(60));
  const LeaseId lease = held(alice, model);
  const RequestId request = world.release(lease);
  BOOST_TEST(last<Unload>() == 1U);
  BOOST_TEST(!world.released(request));
  world.advance(30ms);
  world.settle();
  const Released* released = world.released(request);
  BOOST_REQUIRE(released);
  BOOST_TEST((released->report.outcome == Outcome::freed));
  BOOST_TEST(released->report.expected_bytes == 60U);
  BOOST_TEST(released->report.freed_bytes == 60U);
  BOOST_TEST(released->report.unload_time.count() == 30);
  BOOST_TEST(world.used(gpu) == 0U);
  BOOST_TEST((world.row(model).state == ModelState::unloaded));
}

BOOST_AUTO_TEST_CASE(residual_memory_is_an_error_and_counts_until_the_engine_has_ended) {
  CoreConfig config;
  config.residual_threshold_bytes = 5;
  World strict(config);
  const DeviceId device = strict.device(100);
  const SessionId session = strict.session();
  const ModelId model = strict.model(sized(60));
  const RequestId request = strict.acquire(session, {model});
  strict.settle();
  const RequestId back = strict.release(strict.lease_of(request));
  strict.unload_with_residual(0, 20);
  BOOST_REQUIRE(strict.refused(back));
  BOOST_TEST((strict.refused(back)->refusal.code == Code::residual));
  BOOST_TEST(strict.refused(back)->refusal.report.residual_bytes == 20U);
  BOOST_TEST(strict.used(device) == 20U);
  BOOST_TEST((strict.row(model).state == ModelState::failed));
  BOOST_REQUIRE(!strict.jobs().empty());
  BOOST_TEST((strict.jobs()[0].kind == World::Job::Kind::stop));
  // A wish that arrives while the engine ends waits for that, and starts the next.
  const RequestId whole = strict.acquire(session, {strict.model(sized(100))});
  strict.settle();
  BOOST_TEST(strict.granted(whole));
  BOOST_TEST(strict.used(device) == 100U);
}

BOOST_AUTO_TEST_CASE(kept_models_give_way_oldest_first_and_only_as_many_as_needed) {
  const ModelId a = world.model(kept(30));
  const ModelId b = world.model(kept(30));
  const ModelId c = world.model(kept(30));
  for (const ModelId model : {a, b, c}) {
    world.advance(1s);
    const RequestId back = world.release(held(alice, model));
    BOOST_TEST((outcome(back) == Outcome::kept));
  }
  world.advance(15s);
  world.release(held(alice, a));  // used again: b is the oldest now
  const RequestId request = world.acquire(bob, {world.model(sized(40))});
  world.settle();
  BOOST_TEST(world.granted(request));
  BOOST_TEST((world.row(a).state == ModelState::ready));
  BOOST_TEST((world.row(b).state == ModelState::unloaded));
  BOOST_TEST((world.row(c).state == ModelState::ready));
}

BOOST_AUTO_TEST_CASE(a_leased_model_is_not_evicted_and_the_queue_is_first_in_first_out) {
  const LeaseId lease = held(alice, world.model(sized(60)));
  const RequestId first = world.acquire(bob, {world.model(sized(50))});
  const RequestId second = world.acquire(world.session(1001), {world.model(sized(90))});
  const RequestId small = world.acquire(world.session(1001), {world.model(sized(10))});
  world.settle();
  BOOST_TEST(!world.granted(first));
  BOOST_TEST(!world.granted(small));  // it would fit, but not before the one ahead of it
  world.release(lease);
  world.settle();
  BOOST_TEST(world.granted(first));
  BOOST_TEST(!world.granted(second));
  BOOST_TEST(!world.granted(small));
  world.release(world.lease_of(first));
  world.settle();
  BOOST_TEST(world.granted(second));
  BOOST_TEST(world.granted(small));
}

BOOST_AUTO_TEST_CASE(positions_are_told_when_they_change) {
  const LeaseId lease = held(alice, world.model(sized(60)));
  const RequestId first = world.acquire(bob, {world.model(sized(50))});
  const RequestId second = world.acquire(bob, {world.model(sized(90))});
  const auto position = [&](RequestId request) {
    std::uint32_t last_told = 0;
    for (const Progress& told : world.told()) {
      if (told.request == request) last_told = told.position;
    }
    return last_told;
  };
  BOOST_TEST(position(first) == 1U);
  BOOST_TEST(position(second) == 2U);
  world.cancel(first);
  BOOST_TEST(refused_as(first, Code::interrupted));
  BOOST_TEST(position(second) == 1U);
  world.release(lease);
  BOOST_TEST((world.told().back().phase == Progress::Phase::loading));
}

BOOST_AUTO_TEST_CASE(resident_models_overtake_a_waiter_eight_times) {
  const ModelId resident = world.model(sized(60));
  LeaseId lease = held(alice, resident);
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  int granted = 0;
  RequestId next;
  for (int i = 0; i < 12; ++i) {
    next = world.acquire(alice, {resident});
    if (!world.granted(next)) break;
    ++granted;
    world.release(lease);
    lease = world.lease_of(next);
  }
  BOOST_TEST(granted == 8);
  BOOST_TEST(world.open(next));
  world.release(lease);
  world.settle();
  BOOST_TEST(world.granted(waiter));
}

BOOST_AUTO_TEST_CASE(what_can_never_fit_fails_at_once_with_what_is_missing) {
  const RequestId large = world.acquire(alice, {world.model(sized(130))});
  BOOST_REQUIRE(refused_as(large, Code::never_fits));
  BOOST_TEST(world.refused(large)->refusal.missing_bytes == 30U);
  BOOST_TEST(world.refused(large)->refusal.capacity_bytes == 100U);
  const RequestId set = world.acquire(alice, {world.model(sized(70)), world.model(sized(50))});
  BOOST_REQUIRE(refused_as(set, Code::never_fits));
  BOOST_TEST(world.refused(set)->refusal.missing_bytes == 20U);
  BOOST_TEST(world.refused(set)->refusal.needed_bytes == 120U);
}

BOOST_AUTO_TEST_CASE(a_set_is_granted_as_a_whole) {
  const ModelId a = world.model(sized(40));
  const ModelId b = world.model(sized(50));
  const RequestId set = world.acquire(alice, {b, a});
  world.answer(0);
  BOOST_TEST(world.jobs().size() == 2U);
  world.answer(0);
  BOOST_TEST(!world.granted(set));
  world.answer(0);
  BOOST_REQUIRE(world.granted(set));
  BOOST_TEST((world.granted(set)->leases[0].model == b));
}

BOOST_AUTO_TEST_CASE(without_waiting_it_loads_or_is_busy) {
  const ModelId a = world.model(sized(60));
  const RequestId loads = world.acquire(alice, {a}, {.wait = 0ms});
  world.advance(5s);
  world.settle();
  BOOST_TEST(world.granted(loads));
  BOOST_TEST(refused_as(world.acquire(bob, {world.model(sized(50))}, {.wait = 0ms}), Code::busy));
  BOOST_TEST(refused_as(world.acquire(bob, {world.model(sized(20))}, {.only_if_ready = true}),
                        Code::busy));
  BOOST_TEST(world.granted(world.acquire(bob, {a}, {.only_if_ready = true})));
}

BOOST_AUTO_TEST_CASE(a_wait_ends_busy_when_its_time_is_over) {
  held(alice, world.model(sized(60)));
  const RequestId request = world.acquire(bob, {world.model(sized(50))}, {.wait = 500ms});
  world.advance(499ms);
  BOOST_TEST(world.open(request));
  world.advance(1ms);
  BOOST_TEST(refused_as(request, Code::busy));
}

BOOST_AUTO_TEST_CASE(a_load_that_nobody_wants_any_more_is_cancelled) {
  const ModelId model = world.model(sized(60));
  const RequestId request = world.acquire(alice, {model});
  world.answer(0);
  world.close(alice);
  BOOST_TEST(last<CancelLoad>() == 1U);
  BOOST_TEST(!world.granted(request));
  // Somebody who wants it now waits for the end of that load.
  const RequestId again = world.acquire(bob, {model});
  world.fail_load(0, false);
  world.settle();
  BOOST_TEST(world.granted(again));
}

BOOST_AUTO_TEST_CASE(a_request_for_an_unloading_model_queues_behind_the_unload) {
  const ModelId model = world.model(sized(60));
  const RequestId back = world.release(held(alice, model));
  const RequestId again = world.acquire(bob, {model});
  BOOST_TEST(!world.granted(again));
  BOOST_TEST(last<Load>() == 0U);
  world.settle();
  BOOST_TEST((outcome(back) == Outcome::freed));
  BOOST_TEST(world.granted(again));
}

BOOST_AUTO_TEST_CASE(a_model_that_somebody_waits_for_is_not_unloaded) {
  const ModelId model = world.model(sized(60));
  LeaseId lease = held(alice, model);
  world.acquire(bob, {world.model(sized(50))}, {.wait = 1s});
  std::vector<RequestId> requests;
  for (int i = 0; i < 9; ++i) requests.push_back(world.acquire(bob, {model}));
  for (int i = 0; i < 8; ++i) world.release(world.lease_of(requests[static_cast<std::size_t>(i)]));
  world.advance(999ms);
  BOOST_TEST(world.open(requests[8]));
  world.advance(1ms);
  BOOST_TEST(world.granted(requests[8]));
  const RequestId last_release = world.release(lease);
  BOOST_TEST((outcome(last_release) == Outcome::still_leased));
}

BOOST_AUTO_TEST_CASE(a_model_kept_for_a_time_leaves_after_it) {
  ModelSpec spec = sized(60, AutoUnload::Kind::after);
  spec.auto_unload.after = 10s;
  const ModelId model = world.model(spec);
  const RequestId back = world.release(held(alice, model));
  BOOST_TEST((outcome(back) == Outcome::kept));
  world.advance(9999ms);
  BOOST_TEST((world.row(model).state == ModelState::ready));
  world.advance(1ms);
  BOOST_TEST((world.row(model).state == ModelState::unloading));
}

BOOST_AUTO_TEST_CASE(leases_belong_to_their_session) {
  const ModelId model = world.model(sized(60));
  const LeaseId lease = held(alice, model);
  const std::uint64_t epoch = world.leases().at(lease).granted.epoch;
  BOOST_TEST(refused_as(world.release_as(bob, lease, epoch), Code::lease_lost));
  BOOST_TEST(refused_as(world.release_as(alice, lease, epoch + 1), Code::lease_lost));
  BOOST_TEST((world.core().leased_model(alice, lease, epoch) == model));
  BOOST_TEST(!world.core().leased_model(bob, lease, epoch).has_value());
  world.close(alice);
  BOOST_TEST(last<LeaseEnded>() == 1U);
  BOOST_TEST(last<Unload>() == 1U);
}

BOOST_AUTO_TEST_CASE(leases_outlive_their_engine_and_a_use_brings_the_model_back) {
  const ModelId model = world.model(sized(60));
  const LeaseId lease = held(alice, model);
  BOOST_TEST(world.usable(world.use(lease)));
  world.lose(gpu, 2s);
  BOOST_TEST((world.row(model).state == ModelState::suspended));
  const RequestId use = world.use(lease);
  BOOST_TEST(last<StartEngine>() == 0U);
  world.advance(2s);
  world.settle();
  BOOST_TEST(world.usable(use));
  BOOST_TEST((world.row(model).state == ModelState::ready));
  world.use_ended(use);
  const RequestId back = world.release(lease);
  world.settle();
  BOOST_TEST((outcome(back) == Outcome::freed));
}

BOOST_AUTO_TEST_CASE(a_release_ends_a_use_that_waits) {
  const LeaseId lease = held(alice, world.model(sized(60)));
  world.lose(gpu, 2s);
  const RequestId use = world.use(lease);
  const RequestId back = world.release(lease);
  BOOST_TEST(refused_as(use, Code::lease_lost));
  BOOST_TEST((outcome(back) == Outcome::freed));
}

BOOST_AUTO_TEST_CASE(a_load_that_kills_its_engine_is_tried_three_times) {
  const ModelId model = world.model(sized(60));
  const RequestId request = world.acquire(alice, {model}, {.wait = 0ms});
  for (int losses = 0; losses < 3; ++losses) {
    BOOST_TEST(world.open(request));
    world.answer(0);  // the engine is ready and loads
    world.lose(gpu, 1s);
    world.advance(1s);
  }
  BOOST_REQUIRE(refused_as(request, Code::device));
  BOOST_TEST(world.refused(request)->refusal.reason == "killed by signal 9");
  held(alice, model);
}

BOOST_AUTO_TEST_CASE(an_engine_lost_while_unloading_has_freed_everything) {
  const RequestId back = world.release(held(alice, world.model(sized(60))));
  world.lose(gpu, 1s);
  BOOST_TEST((outcome(back) == Outcome::freed));
  BOOST_TEST(world.released(back)->report.residual_bytes == 0U);
}

BOOST_AUTO_TEST_CASE(a_failed_device_refuses_all_that_need_it) {
  const ModelId model = world.model(sized(60));
  const LeaseId lease = held(alice, model);
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  world.lose(gpu, std::nullopt);
  BOOST_TEST(refused_as(waiter, Code::device));
  BOOST_TEST(refused_as(world.use(lease), Code::device));
  BOOST_TEST(refused_as(world.acquire(bob, {model}), Code::device));
}

BOOST_AUTO_TEST_CASE(bad_files_are_bad_for_every_waiter_and_may_be_tried_again) {
  const ModelId model = world.model(sized(60));
  const RequestId first = world.acquire(alice, {model});
  const RequestId second = world.acquire(bob, {model});
  world.answer(0);
  world.fail_load(0, true);
  BOOST_TEST(refused_as(first, Code::model_bad));
  BOOST_TEST(refused_as(second, Code::model_bad));
  BOOST_TEST((world.row(model).state == ModelState::failed));
  BOOST_TEST(world.row(model).error == "torn file");
  held(alice, model);
  BOOST_TEST(world.row(model).error.empty());
}

BOOST_AUTO_TEST_CASE(a_load_out_of_memory_is_the_device_s) {
  const RequestId request = world.acquire(alice, {world.model(sized(60))});
  world.answer(0);
  world.fail_load(0, false);
  BOOST_TEST(refused_as(request, Code::device));
}

BOOST_AUTO_TEST_CASE(contexts_are_cut_to_what_fits_unless_explicit) {
  ModelSpec spec = sized(20);
  spec.kv_bytes_per_token = 1;
  spec.context_tokens = 1000;
  const ModelId cut = world.model(spec);
  const RequestId request = world.acquire(alice, {cut}, {.context_tokens = 5000});
  world.settle();
  BOOST_REQUIRE(world.granted(request));
  BOOST_TEST(world.granted(request)->leases[0].context_tokens == 64U);
  const RequestId lower = world.acquire(alice, {cut}, {.context_tokens = 10});
  BOOST_TEST(world.granted(lower)->leases[0].context_tokens == 10U);
  spec.context_is_explicit = true;
  const RequestId never = world.acquire(alice, {world.model(spec)});
  BOOST_REQUIRE(refused_as(never, Code::never_fits));
  BOOST_TEST(world.refused(never)->refusal.missing_bytes == 920U);
  spec.context_is_explicit = false;
  spec.memory_cap_bytes = 40;
  const RequestId capped = world.acquire(alice, {world.model(spec)});
  BOOST_REQUIRE(refused_as(capped, Code::never_fits));  // not even one page
  BOOST_TEST(world.refused(capped)->refusal.missing_bytes == 12U);
}

BOOST_AUTO_TEST_CASE(an_idle_engine_stops_after_its_grace) {
  const RequestId back = world.release(held(alice, world.model(sized(60))));
  world.settle();
  BOOST_TEST(world.released(back));
  world.advance(59'999ms);
  BOOST_TEST(world.engine_running(gpu));
  world.advance(1ms);
  world.settle();
  BOOST_TEST(!world.engine_alive(gpu));
}

BOOST_AUTO_TEST_CASE(users_have_limits) {
  CoreConfig config;
  config.max_leases_per_user = 2;
  config.max_queued_per_user = 1;
  World limited(config);
  limited.device(100);
  const SessionId session = limited.session();
  const ModelId model = limited.model(sized(60));
  const auto code = [&](RequestId request) { return limited.refused(request)->refusal.code; };
  const RequestId three = limited.acquire(session, {model, model, model});
  BOOST_TEST((code(three) == Code::quota));
  const RequestId one = limited.acquire(session, {model});
  const RequestId two = limited.acquire(session, {model});
  BOOST_TEST((code(two) == Code::quota));
  limited.settle();
  BOOST_TEST(limited.granted(one));
  BOOST_TEST(limited.granted(limited.acquire(session, {model})));
  BOOST_TEST((code(limited.acquire(session, {model})) == Code::quota));
}

BOOST_AUTO_TEST_CASE(unknown_bad_and_drained_are_refused) {
  BOOST_TEST((refused_as(world.acquire(alice, {ModelId{99}}), Code::no_model)));
  const ModelId model = world.model(sized(60));
  world.feed(world.core().set_model_bad(world.now(), model, "torn", "torn file"));
  BOOST_TEST(refused_as(world.acquire(alice, {model}), Code::model_bad));
  world.feed(world.core().drain(world.now(), true));
  BOOST_TEST(refused_as(world.acquire(alice, {model}), Code::draining));
}

BOOST_AUTO_TEST_CASE(a_second_device_takes_what_the_first_does_not_hold) {
  const DeviceId other = world.device(80);
  const LeaseId lease = held(alice, world.model(sized(60)));
  const LeaseId second = held(bob, world.model(sized(70)));
  BOOST_TEST((world.leases().at(lease).granted.device == gpu));
  BOOST_TEST((world.leases().at(second).granted.device == other));
}

BOOST_AUTO_TEST_CASE(acquire_and_release_of_a_resident_model_are_quick) {
  const ModelId model = world.model(kept(60));
  for (int i = 0; i < 100; ++i) held(alice, model);
  Core& core = world.core();
  constexpr int kRounds = 2000;
  const auto start = std::chrono::steady_clock::now();
  std::size_t grants = 0;
  for (std::uint64_t i = 0; i < kRounds; ++i) {
    AcquireRequest request;
    request.request = RequestId{1'000'000 + 2 * i};
    request.session = bob;
    request.models = {model};
    const Effects effects = core.acquire(world.now(), request);
    const Granted* granted = nullptr;
    for (const Effect& effect : effects) {
      if (const auto* answer = std::get_if<Granted>(&effect)) granted = answer;
    }
    BOOST_REQUIRE(granted);
    const GrantedLease& lease = granted->leases.front();
    ++grants;
    core.release(world.now(), RequestId{1'000'001 + 2 * i}, bob, lease.lease, lease.epoch);
  }
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  BOOST_TEST(grants == std::size_t{kRounds});
  BOOST_TEST_MESSAGE(took.count() / kRounds << " us for an acquire and a release");
  // Generous, for sanitizers and busy machines; the message has the figure.
  BOOST_TEST(took.count() / kRounds < 500.0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

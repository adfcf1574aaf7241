// What is kept, what gives way, what is unloaded and when.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "box.hpp"

namespace gpumodel::test {

BOOST_FIXTURE_TEST_SUITE(residency_scenarios, Box)

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
  spec.policy.auto_unload.after = 10s;
  const ModelId model = world.model(spec);
  const RequestId back = world.release(held(alice, model));
  BOOST_TEST((outcome(back) == Outcome::kept));
  world.advance(9999ms);
  BOOST_TEST((world.row(model).state == ModelState::ready));
  world.advance(1ms);
  BOOST_TEST((world.row(model).state == ModelState::unloading));
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

BOOST_AUTO_TEST_CASE(a_second_device_takes_what_the_first_does_not_hold) {
  const DeviceId other = world.device(80);
  const LeaseId lease = held(alice, world.model(sized(60)));
  const LeaseId second = held(bob, world.model(sized(70)));
  BOOST_TEST((world.leases().at(lease).granted.device == gpu));
  BOOST_TEST((world.leases().at(second).granted.device == other));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

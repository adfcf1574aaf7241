// What administrators do: unload, pin, yield, drain, revoke, remove.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "box.hpp"

namespace gpumodel::test {

BOOST_FIXTURE_TEST_SUITE(administration, Box)

BOOST_AUTO_TEST_CASE(an_unload_refuses_a_leased_model_and_force_revokes_first) {
  const ModelId model = world.model(sized(60));
  const LeaseId lease = held(alice, model);
  world.use(lease);
  BOOST_TEST(refused_as(world.unload(model, false), Code::busy));
  const RequestId forced = world.unload(model, true);
  BOOST_TEST(last<LeaseEnded>() == 1U);
  BOOST_TEST(last<Unload>() == 1U);
  world.settle();
  BOOST_TEST((outcome(forced) == Outcome::freed));
  BOOST_TEST(world.used(gpu) == 0U);
  BOOST_TEST(world.leases().empty());
}

BOOST_AUTO_TEST_CASE(an_unload_of_shared_weights_leaves_the_others_leases) {
  ModelSpec spec = sized(60);
  spec.weights = WeightsId{7};
  const ModelId one = world.model(spec);
  const ModelId two = world.model(spec);
  held(alice, one);
  const LeaseId others = held(bob, two);
  const RequestId forced = world.unload(one, true);
  BOOST_TEST((outcome(forced) == Outcome::still_leased));
  BOOST_TEST(!world.suspended(others));
}

BOOST_AUTO_TEST_CASE(an_unload_of_what_is_kept_ignores_minimum_residency) {
  const ModelId model = world.model(kept(60));
  world.release(held(alice, model));
  const RequestId request = world.unload(model, false);
  world.settle();
  BOOST_TEST((outcome(request) == Outcome::freed));
  BOOST_TEST(world.released(request)->report.freed_bytes == 60U);
}

BOOST_AUTO_TEST_CASE(a_pinned_model_stays_until_it_is_unpinned) {
  const ModelId model = world.model(sized(60));
  world.pin(model, true);
  BOOST_TEST((outcome(world.release(held(alice, model))) == Outcome::kept));
  world.advance(1min);
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  world.advance(1min);
  BOOST_TEST(world.open(waiter));
  BOOST_TEST(world.row(model).pinned);
  BOOST_TEST(refused_as(world.unload(model, true), Code::busy));
  world.pin(model, false);
  world.settle();
  BOOST_TEST(world.granted(waiter));
}

BOOST_AUTO_TEST_CASE(a_yield_is_answered_when_its_bytes_are_free_and_they_stay_free) {
  world.release(held(alice, world.model(kept(60))));
  const RequestId yield = world.yield(bob, gpu, 70, 1h);
  BOOST_TEST(last<Unload>() == 1U);  // no minimum residency
  BOOST_TEST(!world.yielded(yield));
  world.settle();
  BOOST_REQUIRE(world.yielded(yield));
  const RequestId waiter = world.acquire(alice, {world.model(sized(50))});
  const RequestId fits = world.acquire(alice, {world.model(sized(30))});
  world.settle();
  BOOST_TEST(world.open(waiter));
  BOOST_TEST(world.granted(fits));  // who waits for a yield holds nobody up
  world.release(world.lease_of(fits));
  world.unyield(world.yielded(yield)->yield);
  world.settle();
  BOOST_TEST(world.granted(waiter));
}

BOOST_AUTO_TEST_CASE(a_yield_that_its_program_uses_counts_once) {
  const RequestId yield = world.yield(bob, gpu, 40, 1h);
  BOOST_REQUIRE(world.yielded(yield));
  world.set_foreign(gpu, 40);
  const RequestId request = world.acquire(alice, {world.model(sized(60))});
  world.settle();
  BOOST_TEST(world.granted(request));
}

BOOST_AUTO_TEST_CASE(yields_end_with_their_time_or_their_session) {
  const RequestId timed = world.yield(bob, gpu, 30, 10s);
  const RequestId bound = world.yield(bob, gpu, 30);
  BOOST_TEST(world.yielded(timed)->until.has_value());
  BOOST_TEST(!world.yielded(bound)->until.has_value());
  world.advance(10s);
  BOOST_TEST(world.core().snapshot(world.now()).yields.size() == 1U);
  world.close(bob);
  BOOST_TEST(world.core().snapshot(world.now()).yields.empty());
}

BOOST_AUTO_TEST_CASE(a_yield_never_fits_is_busy_or_is_interrupted) {
  const RequestId never = world.yield(bob, gpu, 101, 1h);
  BOOST_REQUIRE(refused_as(never, Code::never_fits));
  BOOST_TEST(world.refused(never)->refusal.missing_bytes == 1U);
  world.use(held(alice, world.model(sized(60))));
  const RequestId busy = world.yield(bob, gpu, 50, 1h, 2s);
  world.advance(1999ms);
  BOOST_TEST(world.open(busy));
  world.advance(1ms);
  BOOST_TEST(refused_as(busy, Code::busy));
  const RequestId cancelled = world.yield(bob, gpu, 50, 1h);
  world.cancel(cancelled);
  BOOST_TEST(refused_as(cancelled, Code::interrupted));
  const RequestId small = world.acquire(bob, {world.model(sized(40))});
  world.settle();
  BOOST_TEST(world.granted(small));  // nothing of it is kept free
}

BOOST_AUTO_TEST_CASE(a_draining_device_loads_nothing_and_empties) {
  const DeviceId other = world.device(100);
  const ModelId model = world.model(kept(60));
  const LeaseId lease = held(alice, model);
  world.drain_device(gpu, true);
  BOOST_TEST((world.row(model).state == ModelState::ready));
  world.release(lease);
  world.settle();
  BOOST_TEST(world.used(gpu) == 0U);
  const LeaseId next = held(bob, model);
  BOOST_TEST((world.leases().at(next).granted.device == other));
  world.drain_device(gpu, false);
  const LeaseId back = held(bob, world.model(sized(90)));
  BOOST_TEST((world.leases().at(back).granted.device == gpu));
}

BOOST_AUTO_TEST_CASE(a_drain_of_the_daemon_can_be_taken_back) {
  const ModelId model = world.model(sized(60));
  world.feed(world.core().drain(world.now(), true));
  BOOST_TEST(refused_as(world.acquire(alice, {model}), Code::draining));
  world.feed(world.core().drain(world.now(), false));
  held(alice, model);
}

BOOST_AUTO_TEST_CASE(a_revoked_lease_is_lost_with_the_reason) {
  const LeaseId lease = held(alice, world.model(sized(60)));
  const std::uint64_t epoch = world.leases().at(lease).granted.epoch;
  world.revoke(lease);
  BOOST_REQUIRE(told<LeaseEnded>());
  BOOST_TEST(told<LeaseEnded>()->reason == "an administrator wants it");
  BOOST_TEST(!world.core().leased_model(alice, lease, epoch).has_value());
  world.settle();
  BOOST_TEST(world.used(gpu) == 0U);
}

BOOST_AUTO_TEST_CASE(a_new_policy_of_a_model_holds_at_once) {
  ModelSpec spec = kept(60);
  spec.id = ModelId{77};
  spec.weights = WeightsId{78};
  const ModelId model = world.model(spec);
  const LeaseId lease = held(alice, model);
  spec.policy.auto_unload.kind = AutoUnload::Kind::after;
  spec.policy.auto_unload.after = 10s;
  spec.policy.idle_grace = 5s;
  spec.devices = {gpu};
  world.set_model(spec);
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  world.advance(15s);  // its minimum residency; the old idle_grace is longer
  world.settle();
  BOOST_REQUIRE(world.granted(waiter));
  world.release(lease);
  world.release(world.lease_of(waiter));
  world.settle();
  world.release(held(alice, model));
  BOOST_TEST((world.row(model).state == ModelState::ready));
  spec.policy.auto_unload.kind = AutoUnload::Kind::at_last_release;
  world.set_model(spec);
  world.settle();
  BOOST_TEST((world.row(model).state == ModelState::unloaded));
}

BOOST_AUTO_TEST_CASE(a_removed_model_lives_as_long_as_its_leases) {
  const ModelId model = world.model(sized(60));
  const LeaseId lease = held(alice, model);
  world.remove_model(model);
  BOOST_TEST(refused_as(world.acquire(bob, {model}), Code::no_model));
  BOOST_TEST(world.usable(world.use(lease)));
  BOOST_TEST((world.row(model).state == ModelState::ready));
  world.release(lease);
  world.settle();
  for (const ModelRow& row : world.core().snapshot(world.now()).models)
    BOOST_TEST((row.model != model));
  BOOST_TEST(world.used(gpu) == 0U);
}

BOOST_AUTO_TEST_CASE(a_queued_request_for_a_removed_model_is_refused) {
  world.use(held(alice, world.model(sized(60))));
  const ModelId model = world.model(sized(50));
  const RequestId waiter = world.acquire(bob, {model});
  world.remove_model(model);
  BOOST_TEST(refused_as(waiter, Code::no_model));
}

BOOST_AUTO_TEST_CASE(a_new_configuration_holds_at_once) {
  world.release(held(alice, world.model(kept(60))));
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  BOOST_TEST(world.open(waiter));
  CoreConfig config;
  config.min_residency = 0s;
  config.max_leases_per_user = 1;
  world.set_config(config);
  world.settle();
  BOOST_TEST(world.granted(waiter));
  BOOST_TEST(refused_as(world.acquire(bob, {world.model(sized(10))}), Code::quota));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

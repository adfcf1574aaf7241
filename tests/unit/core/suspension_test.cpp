// Idle leases give way to waiters, and come back.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "box.hpp"

namespace gpumodel::test {

BOOST_FIXTURE_TEST_SUITE(suspension, Box)

BOOST_AUTO_TEST_CASE(an_idle_lease_gives_way_after_its_grace_and_comes_back_with_its_next_use) {
  const ModelId a = world.model(sized(60));
  const LeaseId lease = held(alice, a);
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  world.advance(29'999ms);
  BOOST_TEST(world.open(waiter));
  world.advance(1ms);
  BOOST_TEST(last<Suspended>() == 1U);
  BOOST_TEST(world.suspended(lease));
  world.settle();
  BOOST_REQUIRE(world.granted(waiter));
  BOOST_TEST((world.row(a).state == ModelState::suspended));
  // It queues behind what is held now, and the program notices only the delay.
  const RequestId use = world.use(lease);
  BOOST_TEST(world.open(use));
  world.release(world.lease_of(waiter));
  world.settle();
  BOOST_TEST(world.usable(use));
  BOOST_TEST(!world.suspended(lease));
}

BOOST_AUTO_TEST_CASE(a_running_generation_keeps_its_lease) {
  const LeaseId lease = held(alice, world.model(sized(60)));
  const RequestId use = world.use(lease);
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  world.advance(5min);
  BOOST_TEST(world.open(waiter));
  world.use_ended(use);
  BOOST_TEST(!world.suspended(lease));
  world.advance(30s);
  BOOST_TEST(world.suspended(lease));
}

BOOST_AUTO_TEST_CASE(a_model_whose_grace_is_never_is_not_suspended) {
  ModelSpec spec = sized(60);
  spec.policy.idle_grace.reset();
  held(alice, world.model(spec));
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  world.advance(599s);
  BOOST_TEST(world.open(waiter));
  world.advance(1s);
  BOOST_TEST(refused_as(waiter, Code::busy));
}

BOOST_AUTO_TEST_CASE(holders_never_wait_for_each_other_in_a_circle) {
  const ModelId a = world.model(sized(60));
  const ModelId b = world.model(sized(50));
  const LeaseId alices = held(alice, a);
  const RequestId bobs = world.acquire(bob, {b});
  BOOST_TEST(world.open(bobs));
  // Alice holds a and wants b, bob wants b, too: she is blocked, so what she holds gives way at
  // once.
  const RequestId second = world.acquire(alice, {b});
  world.settle();
  BOOST_TEST(world.suspended(alices));
  BOOST_TEST(world.granted(bobs));
  BOOST_TEST(world.granted(second));
  // Now bob wants a; alice uses hers again. Each is served in turn.
  const RequestId crossed = world.acquire(bob, {a});
  const RequestId use = world.use(alices);
  world.settle();
  BOOST_TEST(world.granted(crossed));
  BOOST_TEST(world.usable(use));
}

BOOST_AUTO_TEST_CASE(a_program_that_joins_what_is_there_is_not_blocked) {
  const ModelId a = world.model(sized(60));
  const LeaseId lease = held(alice, a);
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  BOOST_TEST(world.granted(world.acquire(alice, {a})));
  BOOST_TEST(!world.suspended(lease));
  BOOST_TEST(world.open(waiter));
}

BOOST_AUTO_TEST_CASE(minimum_residency_protects_from_others_and_not_from_oneself) {
  const ModelId a = world.model(kept(60));
  world.release(held(alice, a));
  const RequestId others = world.acquire(bob, {world.model(sized(50))});
  world.advance(14'999ms);
  BOOST_TEST(world.open(others));
  world.advance(1ms);
  world.settle();
  BOOST_REQUIRE(world.granted(others));
  world.release(world.lease_of(others));
  world.settle();
  // The next model of the program that used the last one takes its place at once.
  world.release(held(alice, a));
  const RequestId own = world.acquire(alice, {world.model(sized(70))});
  world.settle();
  BOOST_TEST(world.granted(own));
}

BOOST_AUTO_TEST_CASE(minimum_residency_holds_again_after_a_resume) {
  ModelSpec spec = sized(60);
  spec.policy.idle_grace = 0s;
  const LeaseId lease = held(alice, world.model(spec));
  const RequestId first = world.acquire(bob, {world.model(sized(50))});
  world.advance(15s);
  world.settle();
  BOOST_TEST(world.suspended(lease));
  world.release(world.lease_of(first));
  const RequestId use = world.use(lease);
  world.settle();
  BOOST_REQUIRE(world.usable(use));
  world.use_ended(use);
  world.acquire(bob, {world.model(sized(40 + 1))});
  world.advance(14'999ms);
  BOOST_TEST(!world.suspended(lease));
  world.advance(1ms);
  BOOST_TEST(world.suspended(lease));
}

BOOST_AUTO_TEST_CASE(unleased_models_go_before_leases_are_suspended) {
  const LeaseId idle = held(alice, world.model(sized(40)));
  world.advance(1s);
  world.release(held(alice, world.model(kept(40))));
  world.advance(40s);
  const RequestId request = world.acquire(bob, {world.model(sized(60))});
  world.settle();
  BOOST_TEST(world.granted(request));
  BOOST_TEST(!world.suspended(idle));
}

BOOST_AUTO_TEST_CASE(who_wants_the_very_model_again_keeps_its_residency) {
  CoreConfig config;
  config.min_residency = 1s;
  Box box(config);
  const ModelId mine = box.world.model(kept(60));
  box.world.release(box.held(box.alice, mine));
  const RequestId other = box.world.acquire(box.bob, {box.world.model(sized(50))});
  // Overtaken as often as it may be, the other one has to be next; but not before its time.
  RequestId again = box.world.acquire(box.alice, {mine});
  for (int i = 0; box.world.granted(again); ++i) {
    BOOST_REQUIRE(i < 20);
    box.world.release(box.world.lease_of(again));
    again = box.world.acquire(box.alice, {mine});
  }
  BOOST_TEST(box.world.open(other));
  BOOST_TEST((box.world.row(mine).state == ModelState::ready));
  box.world.advance(1s);
  box.world.settle();
  BOOST_TEST(box.world.granted(other));
}

BOOST_AUTO_TEST_CASE(a_hold_that_is_too_long_ends_between_generations_and_waits_in_its_turn) {
  CoreConfig config;
  config.max_hold = 60s;
  config.min_residency = 1s;
  Box box(config);
  ModelSpec spec = sized(60);
  spec.policy.idle_grace = 10min;
  const LeaseId lease = box.held(box.alice, box.world.model(spec));
  RequestId use = box.world.use(lease);
  const RequestId waiter = box.world.acquire(box.bob, {box.world.model(sized(50))});
  box.world.advance(59s);
  box.world.use_ended(use);
  use = box.world.use(lease);
  BOOST_TEST(box.world.usable(use));
  box.world.advance(2s);
  BOOST_TEST(box.world.open(waiter));  // a generation is never cut short
  box.world.use_ended(use);
  BOOST_TEST(box.world.suspended(lease));
  const RequestId next = box.world.use(lease);
  BOOST_TEST(box.world.open(next));
  box.world.settle();
  BOOST_REQUIRE(box.world.granted(waiter));
  box.world.release(box.world.lease_of(waiter));
  box.world.settle();
  BOOST_TEST(box.world.usable(next));
}

BOOST_AUTO_TEST_CASE(a_lost_engine_suspends_and_its_return_resumes) {
  const LeaseId lease = held(alice, world.model(sized(60)));
  world.lose(gpu, 1s);
  BOOST_TEST(last<Suspended>() == 1U);
  const RequestId use = world.use(lease);
  world.advance(1s);
  world.settle();
  BOOST_TEST(last<Resumed>() == 1U);
  BOOST_TEST(world.usable(use));
}

BOOST_AUTO_TEST_CASE(a_release_of_a_suspended_lease_has_freed_everything) {
  const LeaseId lease = held(alice, world.model(sized(60)));
  world.acquire(bob, {world.model(sized(50))});
  world.advance(30s);
  world.settle();
  BOOST_TEST((outcome(world.release(lease)) == Outcome::freed));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

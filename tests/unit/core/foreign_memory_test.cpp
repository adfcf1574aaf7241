// What other programs hold is read before a load, and named or waited for.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "box.hpp"

namespace gpumodel::test {

BOOST_FIXTURE_TEST_SUITE(foreign_memory, Box)

BOOST_AUTO_TEST_CASE(foreign_memory_is_read_before_a_load) {
  world.read_by_hand();
  world.acquire(alice, {world.model(sized(60))});
  world.answer(0);
  BOOST_REQUIRE(world.jobs().size() == 1U);
  BOOST_TEST((world.jobs()[0].kind == World::Job::Kind::read));
  world.answer(0);
  BOOST_TEST(last<Load>() == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_held_by_others_refuses_at_once_and_is_named) {
  world.set_foreign(gpu, 70);
  const RequestId request = world.acquire(alice, {world.model(sized(60))});
  world.settle();
  BOOST_REQUIRE(refused_as(request, Code::foreign));
  const Refusal& refusal = world.refused(request)->refusal;
  BOOST_TEST(refusal.needed_bytes == 60U);
  BOOST_TEST(refusal.missing_bytes == 30U);
  BOOST_TEST(refusal.foreign_bytes == 70U);
  BOOST_TEST(refusal.capacity_bytes == 100U);
}

BOOST_AUTO_TEST_CASE(an_old_reading_refuses_nobody) {
  world.set_foreign(gpu, 70);
  const ModelId model = world.model(sized(60));
  world.acquire(alice, {model});
  world.settle();
  world.set_foreign(gpu, 0);
  world.advance(1ms);
  const RequestId request = world.acquire(alice, {model}, {.wait = 0ms});
  world.settle();
  BOOST_TEST(world.granted(request));
}

BOOST_AUTO_TEST_CASE(who_waits_for_others_blocks_nobody_and_is_served_when_they_are_gone) {
  world.set_foreign(gpu, 70);
  const RequestId waiter = world.acquire(alice, {world.model(sized(60))}, {.wait_foreign = true});
  world.settle();
  BOOST_TEST(world.open(waiter));
  const RequestId small = world.acquire(bob, {world.model(sized(20))});
  world.settle();
  BOOST_TEST(world.granted(small));
  world.set_foreign(gpu, 10);
  world.advance(501ms);
  world.settle();
  BOOST_TEST(world.granted(waiter));
}

BOOST_AUTO_TEST_CASE(foreign_memory_within_the_reserve_is_not_in_the_way) {
  const DeviceId other = world.device(100, 40);
  ModelSpec spec = sized(60);
  spec.devices = {other};
  world.set_foreign(other, 40);
  const RequestId request = world.acquire(alice, {world.model(spec)});
  world.settle();
  BOOST_TEST(world.granted(request));
}

BOOST_AUTO_TEST_CASE(ours_gives_way_where_that_helps) {
  world.release(held(alice, world.model(kept(60))));
  world.set_foreign(gpu, 30);
  world.advance(20s);
  const RequestId request = world.acquire(bob, {world.model(sized(40))});
  world.settle();
  BOOST_TEST(world.granted(request));
}

BOOST_AUTO_TEST_CASE(a_reading_that_failed_leaves_the_last_one) {
  world.read_by_hand();
  const RequestId request = world.acquire(alice, {world.model(sized(60))});
  world.answer(0);
  world.fail_read(0);
  BOOST_TEST(last<Load>() == 1U);
  world.settle();
  BOOST_TEST(world.granted(request));
}

BOOST_AUTO_TEST_CASE(a_need_that_was_measured_larger_is_counted_from_then_on) {
  const ModelId model = world.model(sized(40));
  const RequestId first = world.acquire(alice, {model});
  world.answer(0);
  world.load_with(0, 25, false);
  BOOST_TEST(world.used(gpu) == 65U);
  world.release(world.lease_of(first));
  world.settle();
  const LeaseId other = held(bob, world.model(sized(50)));
  world.use(other);
  const RequestId again = world.acquire(alice, {model});  // 40 would fit beside it, 65 do not
  BOOST_TEST(world.open(again));
  world.release(other);
  world.settle();
  BOOST_TEST(world.granted(again));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

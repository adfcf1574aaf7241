#include "core/fairness.hpp"

#include <boost/test/unit_test.hpp>

#include "box.hpp"

namespace gpumodel::test {

BOOST_AUTO_TEST_SUITE(fairness)

BOOST_AUTO_TEST_CASE(users_without_history_take_turns_in_the_order_they_came) {
  Fairness fairness;
  fairness.settle({7});
  fairness.settle({3, 7});
  BOOST_TEST((fairness.turn(7, 0) < fairness.turn(3, 0)));
  fairness.charge(7, 1s);
  fairness.had_turn(7);
  fairness.settle({3, 7});
  BOOST_TEST((fairness.turn(3, 0) < fairness.turn(7, 0)));
  BOOST_TEST((fairness.turn(7, 0) < fairness.turn(3, 2)));
}

BOOST_AUTO_TEST_CASE(who_was_served_longer_comes_later) {
  Fairness fairness;
  fairness.set_quantum(1s);
  fairness.settle({1, 2});
  fairness.charge(1, 10s);
  fairness.settle({1, 2});
  // The other one has ten turns of a second before.
  BOOST_TEST((fairness.turn(2, 8) < fairness.turn(1, 0)));
  for (int i = 0; i < 10; ++i) {
    fairness.charge(2, 1s);
    fairness.settle({1, 2});
  }
  fairness.had_turn(2);
  BOOST_TEST((fairness.turn(1, 0) < fairness.turn(2, 0)));
}

BOOST_AUTO_TEST_CASE(who_wants_nothing_gains_nothing_and_keeps_its_debt) {
  Fairness fairness;
  fairness.set_quantum(1s);
  fairness.settle({1, 2});
  fairness.charge(2, 5s);
  for (int i = 0; i < 3; ++i) {
    fairness.charge(1, 1s);
    fairness.settle({1});
  }
  BOOST_TEST((fairness.credit(2) < Fairness::Cost{0}));
  for (int i = 0; i < 100; ++i) {
    fairness.charge(1, 1s);
    fairness.settle({1});
  }
  BOOST_TEST((fairness.credit(2) == Fairness::Cost{0}));
  fairness.settle({1, 2});
  BOOST_TEST((fairness.credit(2) <= Fairness::Cost(1s)));
  fairness.settle({});
  BOOST_TEST(fairness.known_users() <= 1U);
}

BOOST_FIXTURE_TEST_CASE(one_user_s_many_waiters_do_not_come_before_another_s_first, Box) {
  const LeaseId lease = held(alice, world.model(sized(60)));
  const RequestId use = world.use(lease);
  std::vector<RequestId> alices;
  for (int i = 0; i < 3; ++i)
    alices.push_back(world.acquire(world.session(1000), {world.model(sized(90))}));
  const RequestId bobs = world.acquire(bob, {world.model(sized(95))});
  world.advance(20s);  // alice's generation runs while bob waits
  world.use_ended(use);
  world.release(lease);
  world.settle();
  BOOST_TEST(world.granted(bobs));
  for (const RequestId request : alices) BOOST_TEST(world.open(request));
}

BOOST_FIXTURE_TEST_CASE(device_memory_of_a_user_is_limited_by_distinct_weights, Box) {
  CoreConfig config;
  config.max_device_bytes_per_user = 100;
  Box box(config);
  const ModelId a = box.world.model(sized(60));
  const ModelId b = box.world.model(sized(50));
  box.held(box.alice, a);
  BOOST_TEST(box.world.granted(box.world.acquire(box.alice, {a})));  // it is there once
  const RequestId more = box.world.acquire(box.alice, {b});
  BOOST_REQUIRE(box.refused_as(more, Code::quota));
  BOOST_TEST(box.world.refused(more)->refusal.reason == "device_memory");
  BOOST_TEST(box.world.open(box.world.acquire(box.bob, {b})));
}

BOOST_AUTO_TEST_CASE(a_limit_of_nothing_denies) {
  CoreConfig config;
  config.max_leases_per_user = 0;
  Box box(config);
  BOOST_TEST(
      box.refused_as(box.world.acquire(box.alice, {box.world.model(sized(10))}), Code::quota));
}

BOOST_AUTO_TEST_CASE(a_thousand_waiters_do_not_make_an_event_slow) {
  Box box;
  const LeaseId lease = box.held(box.alice, box.world.model(sized(60)));
  box.world.use(lease);
  const ModelId wanted = box.world.model(sized(50));
  Core& core = box.world.core();
  constexpr std::uint64_t kWaiters = 1000;
  const auto ask = [&](std::uint64_t i) {
    AcquireRequest request;
    request.request = RequestId{1'000'000 + i};
    request.session = box.bob;
    request.models = {wanted};
    return core.acquire(box.world.now(), request);
  };
  for (std::uint64_t i = 0; i < kWaiters; ++i) ask(i);
  const auto start = std::chrono::steady_clock::now();
  constexpr int kEvents = 20;
  for (int i = 0; i < kEvents; ++i) core.tick(box.world.now());
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  BOOST_TEST_MESSAGE(took.count() / kEvents << " ms for an event with a thousand waiters");
  // Generous, for sanitizers and busy machines; the message has the figure.
  BOOST_TEST(took.count() / kEvents < 100.0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

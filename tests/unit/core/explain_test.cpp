// Plans, reasons and estimates, in words and figures.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "box.hpp"

namespace gpumodel::test {

BOOST_FIXTURE_TEST_SUITE(explaining, Box)

BOOST_AUTO_TEST_CASE(a_plan_names_its_steps_and_their_times_from_history) {
  const ModelId a = world.model(kept(60));
  const ModelId b = world.model(sized(50));
  PlanReport plan = world.core().plan(world.now(), 1000, {b});
  BOOST_TEST(plan.fits);
  BOOST_REQUIRE(plan.steps.size() == 1U);
  BOOST_TEST((plan.steps[0].action == PlanReport::Action::load));
  BOOST_TEST(!plan.total.has_value());  // nothing was ever loaded
  const RequestId request = world.acquire(alice, {a});
  world.answer(0);
  world.advance(120ms);
  world.settle();
  const LeaseId lease = world.lease_of(request);
  world.advance(31s);
  plan = world.core().plan(world.now(), 1001, {b});
  BOOST_REQUIRE(plan.fits);
  BOOST_REQUIRE(plan.steps.size() == 3U);
  BOOST_TEST((plan.steps[0].action == PlanReport::Action::suspend));
  BOOST_TEST((plan.steps[1].action == PlanReport::Action::evict));
  BOOST_TEST((plan.steps[1].model == a));
  BOOST_TEST(plan.steps[2].takes->count() == 100);
  BOOST_TEST(
      (world.core().plan(world.now(), 1001, {a}).steps[0].action == PlanReport::Action::join));
  world.use(lease);
  plan = world.core().plan(world.now(), 1001, {b});
  BOOST_TEST(!plan.fits);
  BOOST_REQUIRE(plan.steps.size() == 1U);
  BOOST_TEST((plan.steps[0].action == PlanReport::Action::wait));
}

BOOST_AUTO_TEST_CASE(a_plan_that_can_never_be_carried_out_says_what_is_missing) {
  const PlanReport plan = world.core().plan(world.now(), 1000, {world.model(sized(130))});
  BOOST_REQUIRE(plan.error.has_value());
  BOOST_TEST((plan.error->code == Code::never_fits));
  BOOST_TEST(plan.missing_bytes == 30U);
}

BOOST_AUTO_TEST_CASE(a_plan_uses_an_image_of_the_host_cache) {
  CoreConfig config;
  config.host_cache_bytes = 100;
  Box box(config);
  const ModelId model = box.world.model(sized(60));
  box.world.release(box.held(box.alice, model));
  box.world.settle();
  const PlanReport plan = box.world.core().plan(box.world.now(), 1000, {model});
  BOOST_REQUIRE(plan.steps.size() == 1U);
  BOOST_TEST((plan.steps[0].action == PlanReport::Action::load_from_host));
}

BOOST_AUTO_TEST_CASE(why_says_how_a_model_stands) {
  const ModelId model = world.model(sized(60));
  const auto why = [&] { return world.core().why(world.now(), model); };
  BOOST_TEST(why().reason == "nobody has acquired it yet");
  const LeaseId lease = held(alice, model);
  BOOST_TEST(why().reason == "a lease holds it");
  const RequestId waiter = world.acquire(bob, {world.model(sized(50))});
  world.advance(30s);
  world.settle();
  BOOST_TEST((why().state == ModelState::suspended));
  BOOST_TEST(why().reason == "its leases are idle, and its memory went to somebody who waited");
  world.use(lease);
  BOOST_TEST(why().reason.find("somebody waits until") == 0U);
  world.release(world.lease_of(waiter));
  world.release(lease);
  world.settle();
  BOOST_TEST(why().reason == "nobody uses it");
}

BOOST_AUTO_TEST_CASE(a_waiter_is_told_how_long_it_may_take) {
  const ModelId a = world.model(sized(60));
  const ModelId b = world.model(sized(50));
  // Each was held for ten seconds, and loaded in a hundred milliseconds.
  for (const ModelId model : {a, b}) {
    const RequestId request = world.acquire(alice, {model});
    while (!world.granted(request)) {
      if (world.jobs()[0].kind == World::Job::Kind::load) world.advance(Time(model == a ? 60 : 50));
      world.answer(0);
    }
    world.advance(10s);
    world.release(world.lease_of(request));
    world.settle();
  }
  const LeaseId lease = held(alice, a);
  world.use(lease);
  world.advance(4s);
  world.acquire(bob, {b});
  BOOST_REQUIRE(world.told().back().eta.has_value());
  // Loads take a millisecond a byte; a hold took ten seconds, of which four are over.
  BOOST_TEST(world.told().back().eta->count() >= 6'000);
  BOOST_TEST(world.told().back().eta->count() <= 6'100);
}

BOOST_AUTO_TEST_CASE(what_happened_is_told_in_order) {
  const ModelId model = world.model(sized(60));
  world.release(held(alice, model));
  world.settle();
  std::vector<Happened::Type> types;
  for (const Happened& happened : world.history()) types.push_back(happened.type);
  using Type = Happened::Type;
  const std::vector expected{Type::engine_started, Type::loading,   Type::loaded,  Type::granted,
                             Type::released,       Type::unloading, Type::unloaded};
  BOOST_TEST((types == expected));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

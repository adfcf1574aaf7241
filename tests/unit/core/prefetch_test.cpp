// What is brought near before it is asked for: prefetches and preloads.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "box.hpp"

namespace gpumodel::test {

BOOST_FIXTURE_TEST_SUITE(prefetching, Box)

BOOST_AUTO_TEST_CASE(a_prefetch_loads_where_there_is_room_and_the_acquire_joins_it) {
  held(alice, world.model(sized(50)));
  const ModelId next = world.model(sized(40));
  const RequestId request = world.prefetch(alice, {next});
  BOOST_REQUIRE(world.prefetched(request));
  BOOST_TEST((world.prefetched(request)->rows[0].action == Prefetched::Row::Action::load));
  BOOST_TEST((world.prefetched(request)->rows[0].device == gpu));
  world.settle();
  BOOST_TEST((world.row(next).state == ModelState::ready));
  BOOST_TEST(world.granted(world.acquire(alice, {next}, {.only_if_ready = true})));
}

BOOST_AUTO_TEST_CASE(a_prefetch_ends_after_ten_seconds_and_with_its_session) {
  const ModelId model = world.model(sized(40));
  world.prefetch(alice, {model});
  world.settle();
  world.advance(9'999ms);
  BOOST_TEST((world.row(model).state == ModelState::ready));
  world.advance(1ms);
  BOOST_TEST((world.row(model).state == ModelState::unloading));
  world.settle();
  world.prefetch(alice, {model});
  world.settle();
  world.close(alice);
  BOOST_TEST((world.row(model).state == ModelState::unloading));
}

BOOST_AUTO_TEST_CASE(a_lease_is_what_was_wanted_and_its_release_frees) {
  const ModelId model = world.model(sized(40));
  world.prefetch(alice, {model});
  world.settle();
  const RequestId release = world.release(held(alice, model));
  world.settle();
  BOOST_TEST((outcome(release) == Outcome::freed));
}

BOOST_AUTO_TEST_CASE(a_release_of_what_is_wanted_soon_keeps_it) {
  const ModelId model = world.model(sized(40));
  const LeaseId lease = held(alice, model);
  world.prefetch(alice, {model});
  BOOST_TEST((outcome(world.release(lease)) == Outcome::kept_wanted));
  world.advance(10s);
  BOOST_TEST((world.row(model).state == ModelState::unloading));
}

BOOST_AUTO_TEST_CASE(a_prefetch_evicts_nobody_and_gives_way_to_any_waiter) {
  const ModelId kept_one = world.model(kept(60));
  world.release(held(alice, kept_one));
  const ModelId large = world.model(sized(50));
  BOOST_TEST((world.prefetched(world.prefetch(alice, {large}))->rows[0].action ==
              Prefetched::Row::Action::none));
  const ModelId small = world.model(sized(40));
  world.prefetch(alice, {small});
  BOOST_TEST(world.jobs().size() == 1U);  // it is being loaded
  world.advance(15s);
  world.prefetch(alice, {small});
  world.settle();
  const RequestId request = world.acquire(bob, {world.model(sized(90))});
  world.settle();
  BOOST_TEST(world.granted(request));
}

BOOST_AUTO_TEST_CASE(a_load_for_a_prefetch_is_cancelled_for_a_waiter) {
  world.prefetch(alice, {world.model(sized(60))});
  world.answer(0);
  BOOST_TEST(last<Load>() == 1U);
  const RequestId request = world.acquire(bob, {world.model(sized(90))});
  BOOST_TEST(last<CancelLoad>() == 1U);
  world.fail_load(0, false);
  world.settle();
  BOOST_TEST(world.granted(request));
}

BOOST_AUTO_TEST_CASE(without_room_a_prefetch_fills_the_host_cache) {
  CoreConfig config;
  config.host_cache_bytes = 200;
  Box box(config);
  World& cached = box.world;
  cached.use(box.held(box.alice, cached.model(sized(60))));
  const ModelId next = cached.model(sized(50));
  const RequestId request = cached.prefetch(box.alice, {next});
  BOOST_TEST((cached.prefetched(request)->rows[0].action == Prefetched::Row::Action::host));
  BOOST_TEST(box.last<FillImage>() == 1U);
  cached.settle();
  const RequestId again = cached.prefetch(box.alice, {next});
  BOOST_TEST((cached.prefetched(again)->rows[0].residency == Tier::host));
  BOOST_TEST((cached.prefetched(again)->rows[0].action == Prefetched::Row::Action::none));
}

BOOST_AUTO_TEST_CASE(a_fill_that_nobody_wants_any_more_is_cancelled) {
  CoreConfig config;
  config.host_cache_bytes = 200;
  Box box(config);
  box.world.use(box.held(box.bob, box.world.model(sized(60))));
  box.world.prefetch(box.alice, {box.world.model(sized(50))});
  box.world.close(box.alice);
  BOOST_TEST(box.last<CancelFill>() == 1U);
  box.world.fail_fill(0);
  BOOST_TEST(box.last<DropImage>() == 1U);
}

BOOST_AUTO_TEST_CASE(a_preload_is_loaded_when_there_is_room_and_goes_with_its_last_release) {
  world.use(held(alice, world.model(sized(60))));
  ModelSpec spec = sized(50);
  spec.policy.preload = true;
  const ModelId model = world.model(spec);
  BOOST_TEST((world.row(model).state == ModelState::not_loaded));
  world.close(alice);
  world.settle();
  BOOST_TEST((world.row(model).state == ModelState::ready));
  world.advance(1h);
  BOOST_TEST((world.row(model).state == ModelState::ready));
  const RequestId request = world.acquire(bob, {model}, {.only_if_ready = true});
  BOOST_REQUIRE(world.granted(request));
  world.release(world.lease_of(request));
  world.settle();
  BOOST_TEST((world.row(model).state == ModelState::unloaded));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

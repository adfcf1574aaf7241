// Engines that die, devices that fail, files that are bad.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "box.hpp"

namespace gpumodel::test {

BOOST_FIXTURE_TEST_SUITE(engine_losses, Box)

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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

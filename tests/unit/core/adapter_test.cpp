// Adapters: beside their weights, loaded and unloaded alone, booked.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "box.hpp"
#include "core/planner.hpp"

namespace gpumodel::test {
namespace {

struct AdapterBox : Box {
  // A model on the weights that all of these share, with an adapter of its own.
  ModelId on_base(Bytes adapter, AutoUnload::Kind kind = AutoUnload::Kind::at_last_release) {
    ModelSpec spec = sized(60, kind);
    spec.weights = WeightsId{7};
    spec.adapter = AdapterSpec{WeightsId{++last_adapter_}, adapter};
    return world.model(spec);
  }
  std::vector<WeightsId> loaded() const {
    std::vector<WeightsId> weights;
    for (const auto& [id, resident] : world.residents()) weights.push_back(resident.weights);
    return weights;
  }

 private:
  std::uint64_t last_adapter_ = 100;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(adapters, AdapterBox)

BOOST_AUTO_TEST_CASE(a_model_is_granted_when_its_weights_and_its_adapter_are_ready) {
  const ModelId model = on_base(10);
  const RequestId request = world.acquire(alice, {model});
  world.answer(0);  // the engine
  BOOST_TEST(world.jobs().size() == 2U);
  world.answer(1);
  BOOST_TEST(!world.granted(request));
  world.answer(0);
  const Granted* granted = world.granted(request);
  BOOST_REQUIRE(granted);
  BOOST_TEST((granted->leases[0].adapter != ResidentId{}));
  BOOST_TEST(world.used(gpu) == 70U);
  BOOST_TEST(world.row(model).adapter_bytes == 10U);
  BOOST_TEST(world.row(model).device_bytes == 60U);
}

BOOST_AUTO_TEST_CASE(a_release_is_answered_with_the_bytes_of_both) {
  const LeaseId lease = held(alice, on_base(10));
  const RequestId back = world.release(lease);
  BOOST_TEST(last<Unload>() == 2U);
  world.answer(0);
  BOOST_TEST(!world.released(back));
  world.answer(0);
  BOOST_REQUIRE(world.released(back));
  BOOST_TEST((outcome(back) == Outcome::freed));
  BOOST_TEST(world.released(back)->report.expected_bytes == 70U);
  BOOST_TEST(world.released(back)->report.freed_bytes == 70U);
  BOOST_TEST(world.used(gpu) == 0U);
}

BOOST_AUTO_TEST_CASE(a_switch_on_one_base_moves_no_weights) {
  const ModelId concept_model = on_base(10);
  const ModelId relationship = on_base(12);
  const LeaseId first = held(alice, concept_model);
  const RequestId next = world.acquire(alice, {relationship});
  BOOST_REQUIRE(last<Load>() == 1U);
  BOOST_TEST(told<Load>()->is_adapter);
  world.settle();
  BOOST_REQUIRE(world.granted(next));
  BOOST_TEST(world.used(gpu) == 82U);
  const RequestId back = world.release(first);
  world.settle();
  BOOST_TEST((outcome(back) == Outcome::still_leased));
  BOOST_TEST(world.used(gpu) == 72U);
  BOOST_TEST((world.row(concept_model).state == ModelState::unloaded));
  BOOST_TEST((world.row(relationship).state == ModelState::ready));
}

BOOST_AUTO_TEST_CASE(an_adapter_counts_where_it_does_not_fit) {
  const RequestId request = world.acquire(alice, {on_base(41)});
  BOOST_REQUIRE(refused_as(request, Code::never_fits));
  BOOST_TEST(world.refused(request)->refusal.missing_bytes == 1U);
  // Together with another's, too.
  const RequestId both = world.acquire(alice, {on_base(25), on_base(25)});
  BOOST_TEST(refused_as(both, Code::never_fits));
}

BOOST_AUTO_TEST_CASE(an_idle_adapter_gives_way_to_another_and_the_base_stays) {
  const ModelId kept_model = on_base(30, AutoUnload::Kind::when_needed);
  const ModelId next = on_base(20, AutoUnload::Kind::when_needed);
  world.release(held(alice, kept_model));
  held(bob, next);
  BOOST_TEST((world.row(kept_model).state == ModelState::unloaded));
  BOOST_TEST((world.row(next).state == ModelState::ready));
  BOOST_TEST((loaded() == std::vector{WeightsId{7}, WeightsId{102}}));
}

BOOST_AUTO_TEST_CASE(an_adapter_leaves_with_its_weights) {
  world.release(held(alice, on_base(10, AutoUnload::Kind::when_needed)));
  BOOST_TEST(world.used(gpu) == 70U);
  world.advance(15s);
  held(bob, world.model(sized(35)));
  BOOST_TEST(world.used(gpu) == 35U);
}

BOOST_AUTO_TEST_CASE(a_suspended_lease_gets_both_back) {
  const LeaseId lease = held(alice, on_base(10));
  const RequestId other = world.acquire(bob, {world.model(sized(90))});
  world.advance(30s);
  world.settle();
  BOOST_REQUIRE(world.granted(other));
  BOOST_TEST(world.suspended(lease));
  world.release(world.lease_of(other));
  const RequestId use = world.use(lease);
  world.settle();
  BOOST_REQUIRE(world.usable(use));
  BOOST_TEST((world.usable(use)->lease.adapter != ResidentId{}));
  BOOST_TEST(world.used(gpu) == 70U);
}

BOOST_AUTO_TEST_CASE(a_prefetch_brings_the_adapter_alone) {
  const ModelId one = on_base(10);
  const ModelId two = on_base(12);
  held(alice, one);
  const RequestId request = world.prefetch(alice, {two});
  BOOST_REQUIRE(world.prefetched(request));
  BOOST_TEST((world.prefetched(request)->rows[0].action == Prefetched::Row::Action::load));
  world.settle();
  BOOST_TEST(world.used(gpu) == 82U);
  BOOST_TEST(world.granted(world.acquire(alice, {two})));
}

BOOST_AUTO_TEST_CASE(an_unload_takes_the_adapter_with_it) {
  const ModelId model = on_base(10, AutoUnload::Kind::when_needed);
  world.release(held(alice, model));
  const RequestId request = world.unload(model, false);
  world.settle();
  BOOST_REQUIRE(world.released(request));
  BOOST_TEST(world.released(request)->report.freed_bytes == 70U);
  BOOST_TEST(world.used(gpu) == 0U);
}

BOOST_AUTO_TEST_CASE(models_may_share_an_adapter) {
  ModelSpec spec = sized(60);
  spec.weights = WeightsId{7};
  spec.adapter = AdapterSpec{WeightsId{8}, 10};
  const RequestId both = world.acquire(alice, {world.model(spec), world.model(spec)});
  world.settle();
  BOOST_REQUIRE(world.granted(both));
  BOOST_TEST(world.used(gpu) == 70U);
}

BOOST_AUTO_TEST_CASE(a_removed_model_takes_its_adapter_and_leaves_the_base) {
  const ModelId one = on_base(10, AutoUnload::Kind::when_needed);
  const ModelId two = on_base(12);
  held(alice, two);
  world.release(held(alice, one));
  BOOST_TEST(world.used(gpu) == 82U);
  world.remove_model(one);
  world.settle();
  BOOST_TEST(world.used(gpu) == 72U);
}

BOOST_AUTO_TEST_CASE(an_adapter_goes_to_the_device_of_its_weights) {
  // The second device has more room, but the weights are on the first.
  const DeviceId roomy{2};
  const PlanResident base{ResidentId{1}, WeightsId{7}, 60, true, true, false, false, Time{0}, 1};
  const std::vector<PlanDevice> devices{{gpu, 80, 0, false, {base}}, {roomy, 200, 0, false, {}}};
  std::vector<PlanItem> items{{WeightsId{7}, {{gpu, 60}, {roomy, 60}}, {}},
                              {WeightsId{8}, {{gpu, 10}, {roomy, 10}}, 0}};
  const auto plan = make_plan(devices, items);
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->places[0].resident == ResidentId{1}));
  BOOST_TEST((plan->places[1].device == gpu));
  for (PlanItem::Choice& choice : items[1].choices) choice.bytes = 30;
  BOOST_TEST(!make_plan(devices, items).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test

#include "core/planner.hpp"

#include <boost/test/unit_test.hpp>

namespace gpumodel::core {
namespace {

PlanDevice device(std::uint64_t id, Bytes budget, std::vector<PlanResident> residents = {}) {
  return PlanDevice{DeviceId{id}, budget, 0, false, std::move(residents)};
}

PlanResident idle(std::uint64_t id, Bytes bytes, int last_used) {
  return PlanResident{ResidentId{id}, WeightsId{id}, bytes, true,
                      true,           false,         true,  Time{last_used}};
}

PlanResident leased(std::uint64_t id, Bytes bytes) {
  return PlanResident{ResidentId{id}, WeightsId{id}, bytes, true, true, false, false, Time{0}};
}

PlanItem item(std::uint64_t weights, Bytes bytes, std::vector<std::uint64_t> devices = {1}) {
  PlanItem one{WeightsId{weights}, {}};
  for (const std::uint64_t id : devices) one.choices.push_back({DeviceId{id}, bytes});
  return one;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(planner)

BOOST_AUTO_TEST_CASE(free_room_is_used_before_anybody_is_evicted) {
  const auto plan =
      make_plan({device(1, 100, {idle(1, 60, 5)}), device(2, 50)}, {item(9, 50, {1, 2})});
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->places[0].device == DeviceId{2}));
  BOOST_TEST(plan->evictions.empty());
}

BOOST_AUTO_TEST_CASE(the_least_recently_used_go_first_and_no_more_than_needed) {
  const auto plan =
      make_plan({device(1, 100, {idle(1, 30, 9), idle(2, 30, 3), idle(3, 30, 6)})}, {item(9, 60)});
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->evictions == std::vector{ResidentId{2}, ResidentId{3}}));
}

BOOST_AUTO_TEST_CASE(victims_that_a_larger_one_makes_needless_stay) {
  const auto plan =
      make_plan({device(1, 100, {idle(1, 10, 1), idle(2, 30, 2), idle(3, 60, 3)})}, {item(9, 70)});
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->evictions == std::vector{ResidentId{1}, ResidentId{3}}));
}

BOOST_AUTO_TEST_CASE(the_device_with_the_fewest_bytes_to_evict_is_taken) {
  const auto plan = make_plan({device(1, 100, {idle(1, 90, 1)}), device(2, 100, {idle(2, 60, 9)})},
                              {item(9, 50, {1, 2})});
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->places[0].device == DeviceId{2}));
  BOOST_TEST((plan->evictions == std::vector{ResidentId{2}}));
}

BOOST_AUTO_TEST_CASE(suspended_leases_are_dearer_than_any_bytes) {
  PlanResident suspendable = idle(1, 60, 1);
  suspendable.suspends = 1;
  const auto plan = make_plan({device(1, 100, {suspendable}), device(2, 100, {idle(2, 90, 9)})},
                              {item(9, 50, {1, 2})});
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->places[0].device == DeviceId{2}));
  const auto only = make_plan({device(1, 100, {suspendable, idle(3, 40, 5)})}, {item(9, 50)});
  BOOST_REQUIRE(only);
  BOOST_TEST((only->evictions == std::vector{ResidentId{1}}));
  const auto prefers = make_plan({device(1, 100, {suspendable, idle(3, 40, 5)})}, {item(9, 40)});
  BOOST_REQUIRE(prefers);
  BOOST_TEST((prefers->evictions == std::vector{ResidentId{3}}));
}

BOOST_AUTO_TEST_CASE(nothing_leased_is_evicted) {
  BOOST_TEST(!make_plan({device(1, 100, {leased(1, 60)})}, {item(9, 50)}).has_value());
  BOOST_TEST(make_plan({device(1, 110, {leased(1, 60)})}, {item(9, 50)}).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_there_is_joined_also_on_a_closed_device) {
  PlanDevice closed = device(1, 100, {idle(1, 60, 5)});
  closed.closed = true;
  const auto plan = make_plan({closed}, {item(1, 60)});
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->places[0].resident == ResidentId{1}));
  BOOST_TEST(!plan->loads());
  BOOST_TEST(!make_plan({closed}, {item(9, 10)}).has_value());
}

BOOST_AUTO_TEST_CASE(what_a_set_joins_is_not_evicted_for_its_rest) {
  const auto plan =
      make_plan({device(1, 100, {idle(1, 50, 1), idle(2, 50, 2)})}, {item(1, 50), item(9, 40)});
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->places[0].resident == ResidentId{1}));
  BOOST_TEST((plan->evictions == std::vector{ResidentId{2}}));
}

BOOST_AUTO_TEST_CASE(bytes_that_are_being_unloaded_count_as_free_but_not_for_the_same_weights) {
  PlanResident going = idle(1, 100, 0);
  going.evictable = going.joinable = going.ready = false;
  going.unloading = true;
  BOOST_TEST(make_plan({device(1, 100, {going})}, {item(9, 100)}).has_value());
  BOOST_TEST(!make_plan({device(1, 100, {going})}, {item(1, 100)}).has_value());
}

BOOST_AUTO_TEST_CASE(sets_are_packed_over_devices) {
  const auto plan = make_plan({device(1, 100), device(2, 60)},
                              {item(1, 50, {1, 2}), item(2, 60, {1, 2}), item(3, 50, {1, 2})});
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->places[1].device == DeviceId{2}));
}

BOOST_AUTO_TEST_CASE(an_idle_member_of_a_set_moves_where_it_is_in_the_way) {
  const auto plan = make_plan({device(1, 100, {idle(1, 40, 1)}), device(2, 40)},
                              {item(1, 40, {1, 2}), item(9, 100, {1})});
  BOOST_REQUIRE(plan);
  BOOST_TEST((plan->places[0].device == DeviceId{2}));
  BOOST_TEST(!plan->places[0].resident.has_value());
  BOOST_TEST((plan->evictions == std::vector{ResidentId{1}}));
}

BOOST_AUTO_TEST_CASE(residual_goes_only_with_everything_else) {
  PlanDevice dirty = device(1, 100, {idle(1, 30, 1), idle(2, 30, 2)});
  dirty.residual_bytes = 20;
  const auto all = make_plan({dirty}, {item(9, 90)});
  BOOST_REQUIRE(all);
  BOOST_TEST(all->evictions.size() == 2U);
  dirty.residents[1].evictable = false;
  BOOST_TEST(!make_plan({dirty}, {item(9, 70)}).has_value());
  BOOST_TEST(make_plan({dirty}, {item(9, 50)}).has_value());
}

BOOST_AUTO_TEST_CASE(a_shortage_names_what_is_missing) {
  const auto shortage = shortage_when_empty({device(1, 100), device(2, 30)}, {item(1, 130, {1})});
  BOOST_REQUIRE(shortage);
  BOOST_TEST(shortage->missing_bytes == 30U);
  BOOST_TEST(shortage->capacity_bytes == 100U);
  BOOST_TEST(!shortage_when_empty({device(1, 100)}, {item(1, 100)}).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::core

#include "core/ledger.hpp"

#include <boost/test/unit_test.hpp>

namespace gpumodel::core {

BOOST_AUTO_TEST_SUITE(ledger)

BOOST_AUTO_TEST_CASE(bytes_are_planned_held_measured_and_freed) {
  Ledger ledger(DeviceSpec{DeviceId{1}, "gpu", 100, 20});
  BOOST_TEST(ledger.budget_bytes() == 80U);
  ledger.plan(ResidentId{1}, 50);
  BOOST_TEST(ledger.planned_bytes() == 50U);
  BOOST_TEST(ledger.used_bytes() == 0U);
  ledger.hold(ResidentId{1});
  BOOST_TEST(ledger.used_bytes() == 50U);
  BOOST_TEST(ledger.has_room(30));
  BOOST_TEST(!ledger.has_room(31));
  ledger.measure(ResidentId{1}, 44);
  BOOST_TEST(ledger.used_bytes() == 44U);
  ledger.check();
  ledger.free(ResidentId{1});
  BOOST_TEST(ledger.used_bytes() == 0U);
  BOOST_TEST(ledger.empty());
  ledger.check();
}

BOOST_AUTO_TEST_CASE(what_was_measured_is_booked_even_beyond_the_budget) {
  Ledger ledger(DeviceSpec{DeviceId{1}, "gpu", 100, 20});
  ledger.plan(ResidentId{1}, 80);
  ledger.hold(ResidentId{1});
  ledger.measure(ResidentId{1}, 95);
  BOOST_TEST(ledger.used_bytes() == 95U);
  BOOST_TEST(!ledger.has_room(0));
  ledger.check();
}

BOOST_AUTO_TEST_CASE(residual_counts_until_it_is_cleared) {
  Ledger ledger(DeviceSpec{DeviceId{1}, "gpu", 100, 0});
  ledger.add_residual(40);
  BOOST_TEST(ledger.used_bytes() == 40U);
  BOOST_TEST(!ledger.has_room(61));
  ledger.clear_residual();
  BOOST_TEST(ledger.has_room(100));
}

BOOST_AUTO_TEST_CASE(a_reserve_larger_than_the_device_leaves_nothing) {
  const Ledger ledger(DeviceSpec{DeviceId{1}, "gpu", 100, 200});
  BOOST_TEST(ledger.budget_bytes() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::core

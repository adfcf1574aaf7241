#include "core/lease_table.hpp"

#include <boost/test/unit_test.hpp>

namespace gpumodel::core {
namespace {

Lease of(std::uint64_t model, std::uint64_t session, std::uint32_t uid) {
  Lease lease;
  lease.model = ModelId{model};
  lease.session = SessionId{session};
  lease.uid = uid;
  return lease;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(lease_table)

BOOST_AUTO_TEST_CASE(ids_are_never_reused_and_epochs_count_the_grants_of_a_model) {
  LeaseTable table;
  const LeaseId first = table.add(of(1, 1, 1000)).id;
  table.remove(first);
  const Lease& second = table.add(of(1, 1, 1000));
  BOOST_TEST((second.id != first));
  BOOST_TEST(second.epoch == 2U);
  BOOST_TEST(table.add(of(2, 1, 1000)).epoch == 1U);
}

BOOST_AUTO_TEST_CASE(a_lease_is_found_only_with_its_session_and_epoch) {
  LeaseTable table;
  const Lease& lease = table.add(of(1, 7, 1000));
  BOOST_TEST(table.find(SessionId{7}, lease.id, lease.epoch) == &lease);
  BOOST_TEST(!table.find(SessionId{8}, lease.id, lease.epoch));
  BOOST_TEST(!table.find(SessionId{7}, lease.id, lease.epoch + 1));
  BOOST_TEST(!table.find(SessionId{7}, LeaseId{99}, lease.epoch));
}

BOOST_AUTO_TEST_CASE(counts_follow_leases_and_uses) {
  LeaseTable table;
  Lease& lease = table.add(of(1, 7, 1000));
  const LeaseId other = table.add(of(2, 7, 1000)).id;
  BOOST_TEST(table.count_of_user(1000) == 2U);
  BOOST_TEST(table.count_of_model(ModelId{1}) == 1U);
  table.start_use(lease, RequestId{5});
  table.check();
  BOOST_TEST(table.end_use(RequestId{5}, Time{40}) == &lease);
  BOOST_TEST(lease.idle_since.count() == 40);
  BOOST_TEST(!table.end_use(RequestId{5}, Time{50}));
  table.start_use(lease, RequestId{6});
  table.remove(lease.id);
  table.remove(other);
  BOOST_TEST(!table.end_use(RequestId{6}, Time{60}));
  BOOST_TEST(table.count_of_user(1000) == 0U);
  table.check();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::core

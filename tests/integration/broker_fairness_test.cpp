// The limits of users, and leases that are held while others wait.
#include <boost/test/unit_test.hpp>

#include "support/daemon_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

struct FairnessFixture : DaemonFixture {
  FairnessFixture() {
    model("a", kForty);
    model("b", kForty);
  }
  void start_limited(const std::string& limits, const std::string& daemon_keys = "") {
    start(kDevice + ("[limits]\n" + limits + "\n"), daemon_keys);
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_fairness, FairnessFixture)

BOOST_AUTO_TEST_CASE(device_memory_bounds_what_one_user_may_lease) {
  model("c", R"({"tensor_bytes": 1048576})");
  start_limited("device_memory = \"43 MiB\"");
  auto peer = client();
  const auto lease = peer.acquire("a");
  peer.acquire("a");  // the same weights count once
  BOOST_TEST((peer.ask("lease.acquire", wanted({"c"})).error().code == Code::quota));
  BOOST_TEST((client().ask("lease.acquire", wanted({"b"})).error().code == Code::quota));
  BOOST_TEST(peer.release(lease).outcome == "still_leased");
}

BOOST_AUTO_TEST_CASE(limits_of_0_deny) {
  start_limited("leases = 0");
  auto peer = client();
  BOOST_TEST((peer.ask("lease.acquire", wanted({"a"})).error().code == Code::quota));
}

BOOST_AUTO_TEST_CASE(nobody_may_queue_where_queued_is_0) {
  start_limited("queued = 0", "idle_grace = \"never\"");
  auto peer = client(), other = client();
  peer.acquire("a");
  BOOST_TEST((other.ask("lease.acquire", wanted({"b"})).error().code == Code::quota));
  BOOST_TEST(status().queue.empty());
}

BOOST_AUTO_TEST_CASE(a_lease_that_is_held_too_long_while_others_wait_counts_as_idle) {
  start_limited("hold = \"200ms\"", "min_residency = 0\nidle_grace = \"1h\"");
  auto holder = client(), waiter = client();
  const auto lease = holder.acquire("a");
  waiter.release(waiter.acquire("b"));
  holder.wait_notification("lease.suspended");
  BOOST_TEST(
      holder.wait(holder.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
}

BOOST_AUTO_TEST_CASE(two_programs_that_alternate_on_one_device_both_go_on) {
  start(kDevice, "min_residency = \"20ms\"\nidle_grace = \"1ms\"");
  auto first = client(), second = client();
  const auto a = first.acquire("a");
  const auto b_id = second.send("lease.acquire", wanted({"b"}));
  const auto b = second.wait(b_id).result<wire::AcquireResult>().leases.at(0);
  for (int turn = 0; turn < 5; ++turn) {
    const auto use_a = first.generate(a, "alpha", 1);
    const auto use_b = second.generate(b, "beta", 1);
    BOOST_TEST(first.wait(use_a).result<wire::GenerateResult>().text.value() == "1:alpha ");
    BOOST_TEST(second.wait(use_b).result<wire::GenerateResult>().text.value() == "1:beta ");
  }
  BOOST_TEST(status().devices.at(0).used_bytes <= 64u << 20);
}

BOOST_AUTO_TEST_SUITE_END()

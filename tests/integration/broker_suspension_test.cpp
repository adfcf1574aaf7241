// Idle leases that make room for a waiter, and come back.
#include <boost/test/unit_test.hpp>

#include "support/daemon_fixture.hpp"
#include "wire/operator_messages.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

namespace {

constexpr const char* kQuick = "min_residency = 0\nidle_grace = \"50ms\"";

std::uint64_t lease_in(const wire::Frame& notification) {
  return wire::decode<wire::LeaseNotice>(notification.params).lease;
}

std::string text_of(const Answer& answer) {
  return answer.result<wire::GenerateResult>().text.value_or("(none)");
}

}  // namespace

struct SuspensionFixture : DaemonFixture {
  SuspensionFixture() {
    model("a", kForty);
    model("b", kForty);
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_suspension, SuspensionFixture)

BOOST_AUTO_TEST_CASE(an_idle_lease_makes_room_and_its_next_generation_brings_it_back) {
  start(kDevice, kQuick);
  auto holder = client(), waiter = client();
  const auto held = holder.acquire("a");
  const auto granted = waiter.acquire("b");
  BOOST_TEST(lease_in(holder.wait_notification("lease.suspended")) == held.lease);
  BOOST_TEST(model_row("a").state == "suspended");
  BOOST_TEST(status().leases.at(0).state == "suspended");
  waiter.release(granted);
  const auto id = holder.generate(held, "alpha", 2);
  BOOST_TEST(lease_in(holder.wait_notification("lease.resumed")) == held.lease);
  BOOST_TEST(text_of(holder.wait(id)) == "1:alpha 2:alpha ");
  BOOST_TEST(status().leases.at(0).state == "held");
}

BOOST_AUTO_TEST_CASE(text_calls_on_a_suspended_lease_do_not_resume_it) {
  start(kDevice, kQuick);
  auto holder = client(), waiter = client();
  const auto held = holder.acquire("a");
  waiter.acquire("b");
  holder.wait_notification("lease.suspended");
  wire::TextParams<wire::TextTarget, wire::TokenizeInput> params;
  params.target.lease = held.lease;
  params.target.epoch = held.epoch;
  params.input.text = "Hi";
  BOOST_TEST(holder.call<wire::TokensResult>("tokenize", params).tokens.size() == 2u);
  BOOST_TEST(model_row("a").state == "suspended");
}

BOOST_AUTO_TEST_CASE(a_suspended_lease_can_be_released) {
  start(kDevice, kQuick);
  auto holder = client(), waiter = client();
  const auto held = holder.acquire("a");
  waiter.acquire("b");
  holder.wait_notification("lease.suspended");
  holder.release(held);
  BOOST_TEST(status().leases.size() == 1u);
}

BOOST_AUTO_TEST_CASE(idle_grace_never_keeps_a_lease_where_it_is) {
  model("c", kForty, "idle_grace = \"never\"");
  start(kDevice, kQuick);
  auto holder = client(), waiter = client();
  const auto held = holder.acquire("c");
  BOOST_TEST((waiter.ask("lease.acquire", wanted({"b"}, 500)).error().code == Code::busy));
  BOOST_TEST(model_row("c").state == "ready");
  BOOST_TEST(text_of(holder.wait(holder.generate(held, "alpha", 1))) == "1:alpha ");
}

BOOST_AUTO_TEST_CASE(a_running_generation_is_not_suspended) {
  model("slow", R"({"tensor_bytes": 41943040, "token_ms": 5})");
  start(kDevice, kQuick);
  auto holder = client(), waiter = client();
  const auto held = holder.acquire("slow");
  const auto generation = holder.generate(held, "alpha", 100);
  const auto acquire = waiter.send("lease.acquire", wanted({"b"}));
  const Answer answer = holder.wait(generation);
  BOOST_TEST(answer.result<wire::GenerateResult>().finish == "length");
  BOOST_TEST(answer.notifications.empty());
  waiter.wait(acquire).result<wire::AcquireResult>();
  holder.wait_notification("lease.suspended");
}

BOOST_AUTO_TEST_CASE(holders_that_wait_for_each_other_both_finish) {
  start(kDevice, "min_residency = 0\nidle_grace = \"1h\"");
  auto first = client(), second = client();
  const auto first_lease = first.acquire("a");
  const auto second_id = second.send("lease.acquire", wanted({"b"}));
  const auto first_id = first.send("lease.acquire", wanted({"b"}));
  const auto second_lease = second.wait(second_id).result<wire::AcquireResult>().leases.at(0);
  first.wait(first_id).result<wire::AcquireResult>();
  const auto third_id = second.send("lease.acquire", wanted({"a"}));
  const auto use = first.generate(first_lease, "alpha", 1);
  second.wait(third_id).result<wire::AcquireResult>();
  BOOST_TEST(text_of(first.wait(use)) == "1:alpha ");
  first.release(first_lease);
  BOOST_TEST(text_of(second.wait(second.generate(second_lease, "beta", 1))) == "1:beta ");
}

BOOST_AUTO_TEST_CASE(min_residency_keeps_what_was_just_loaded) {
  start(kDevice, "min_residency = \"1h\"\nidle_grace = \"1ms\"");
  auto holder = client(), waiter = client();
  holder.acquire("a");
  BOOST_TEST((waiter.ask("lease.acquire", wanted({"b"}, 300)).error().code == Code::busy));
  BOOST_TEST(model_row("a").state == "ready");
}

BOOST_AUTO_TEST_CASE(a_lease_that_was_revoked_is_told_with_its_reason) {
  start(kDevice, kQuick);
  auto holder = client(), admin = client();
  const auto held = holder.acquire("a");
  admin.call<wire::RevokeResult>("revoke", wire::RevokeParams{held.lease, "maintenance"});
  const auto lost = wire::decode<wire::LeaseLost>(holder.wait_notification("lease.lost").params);
  BOOST_TEST(lost.lease == held.lease);
  BOOST_TEST(lost.reason.find("maintenance") != std::string::npos);
  BOOST_TEST((holder.wait(holder.generate(held, "alpha", 1)).error().code == Code::lease_lost));
}

BOOST_AUTO_TEST_SUITE_END()

// What administrators may do, and that nobody else may.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "support/daemon_fixture.hpp"
#include "wire/operator_messages.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

namespace {

constexpr uid_t kNobody = 65534;

// The code of the answer to `method` from a process of user nobody; 0 where it is no error.
template <class Params>
int code_for_nobody(const std::string& socket, std::string_view method, const Params& params) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    int code = 100;
    try {
      if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(101);
      WireClient peer(socket);
      const Answer answer = peer.ask(method, params);
      code = answer.failed() ? -static_cast<int>(answer.error().code) : 0;
    } catch (const std::exception&) {
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return -WEXITSTATUS(status);
}

}  // namespace

struct AdminFixture : DaemonFixture {
  AdminFixture() {
    model("a", kForty, "auto_unload = false");
    model("b", kForty);
  }
  wire::Error unload_error(WireClient& peer, const std::string& name) {
    return peer.ask("unload", wire::UnloadModelParams{name, false}).error();
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_admin, AdminFixture)

BOOST_AUTO_TEST_CASE(others_are_denied_and_named_ones_are_not) {
  BOOST_REQUIRE(::getuid() == 0u);
  const auto code = [&](std::string_view method, const auto& params) {
    return code_for_nobody(socket(), method, params);
  };
  const int denied = static_cast<int>(Code::denied);
  start(kDevice, "socket_mode = \"0666\"");
  ::chmod(path("").c_str(), 0755);
  BOOST_TEST(code("unload", wire::UnloadModelParams{"a", false}) == denied);
  BOOST_TEST(code("pin", wire::PinParams{"a", true}) == denied);
  BOOST_TEST(code("yield", wire::YieldParams{"cpu", 1, 1, 0}) == denied);
  BOOST_TEST(code("yield.end", wire::YieldEndParams{1}) == denied);
  BOOST_TEST(code("drain", wire::DrainParams{std::nullopt, true}) == denied);
  BOOST_TEST(code("revoke", wire::RevokeParams{1, ""}) == denied);
  BOOST_TEST(code("call_json", wire::CallJsonParams{"pin", "{\"model\":\"a\"}"}) == denied);
  BOOST_TEST(code("plan", wire::PlanParams{{"a"}}) == 0);
  BOOST_TEST(code("events", wire::EventsParams{}) == 0);
  BOOST_TEST(!status().daemon.draining);
  signal(SIGTERM);
  wait_exit();
  start(kDevice, "socket_mode = \"0666\"\nadmins = [\"nobody\"]");
  BOOST_TEST(code("pin", wire::PinParams{"a", true}) == 0);
}

BOOST_AUTO_TEST_CASE(unload_refuses_a_leased_model_and_names_its_leases) {
  start();
  auto holder = client(), admin = client();
  holder.hello("pipeline");
  const auto lease = holder.acquire("a");
  const auto error = unload_error(admin, "a");
  BOOST_TEST((error.code == Code::busy));
  const auto leases = wire::decode_bytes<wire::LeasedDetail>(error.detail).leases;
  BOOST_REQUIRE(leases.size() == 1u);
  BOOST_TEST(leases[0].lease == lease.lease);
  BOOST_TEST(leases[0].user.value() == "root");
  BOOST_TEST(leases[0].pid == ::getpid());
  BOOST_TEST(leases[0].app == "pipeline");
  holder.release(lease);
  BOOST_TEST(model_row("a").state == "ready");
  const auto report =
      admin.call<wire::ReleaseResult>("unload", wire::UnloadModelParams{"a", false});
  BOOST_TEST(report.outcome == "freed");
  BOOST_TEST(report.freed_bytes == report.expected_bytes);
  BOOST_TEST(status().devices.at(0).used_bytes == 0u);
  BOOST_TEST(
      admin.call<wire::ReleaseResult>("unload", wire::UnloadModelParams{"a", false}).outcome ==
      "kept");
  BOOST_TEST((unload_error(admin, "none").code == Code::no_model));
}

BOOST_AUTO_TEST_CASE(unload_by_force_ends_a_runaway_generation) {
  model("slow", R"({"token_ms": 10, "context_tokens": 100000})");
  start();
  auto holder = client(), admin = client();
  const auto lease = holder.acquire("slow");
  const auto generation = holder.generate(lease, "alpha", -1, true);
  holder.wait_notification("generate.chunk");
  BOOST_TEST(
      admin.call<wire::ReleaseResult>("unload", wire::UnloadModelParams{"slow", true}).outcome ==
      "freed");
  holder.wait_notification("lease.lost");
  BOOST_TEST(holder.wait(generation).result<wire::GenerateResult>().finish == "cancelled");
  BOOST_TEST(status().leases.empty());
}

BOOST_AUTO_TEST_CASE(a_pinned_model_is_not_evicted_until_it_is_unpinned) {
  start(kDevice, "min_residency = 0");
  auto peer = client();
  peer.call<wire::PinResult>("pin", wire::PinParams{"a", true});
  peer.release(peer.acquire("a"));
  BOOST_TEST(model_row("a").pinned);
  const auto pinned = unload_error(peer, "a");
  BOOST_TEST((pinned.code == Code::busy));
  BOOST_TEST(pinned.message == "model a is pinned; unpin it first");
  wire::AcquireParams params;
  params.models = {"b"};
  params.wait_ms = 300;
  BOOST_TEST((peer.ask("lease.acquire", params).error().code == Code::busy));
  BOOST_TEST(model_row("a").state == "ready");
  peer.call<wire::PinResult>("pin", wire::PinParams{"a", false});
  BOOST_TEST(!model_row("a").pinned);
  peer.acquire("b");
}

BOOST_AUTO_TEST_CASE(preloaded_models_are_there_before_anybody_asks) {
  model("early", R"({"tensor_bytes": 1048576})", "preload = true\npin = true");
  start();
  BOOST_TEST(eventually([&] { return model_row("early").state == "ready"; }));
  BOOST_TEST(model_row("early").pinned);
}

BOOST_AUTO_TEST_CASE(yielded_bytes_are_free_when_the_answer_comes_and_stay_so) {
  start();
  auto peer = client(), admin = client();
  peer.release(peer.acquire("a"));  // stays resident
  wire::YieldParams params{"cpu", 40u << 20, std::nullopt, 60'000};
  const auto yielded = admin.call<wire::YieldResult>("yield", params);
  BOOST_TEST(yielded.device == "cpu");
  BOOST_TEST(yielded.bytes == 40u << 20);
  BOOST_TEST(!yielded.until_ms.has_value());
  const auto now = status();
  BOOST_TEST(now.devices.at(0).yielded_bytes == 40u << 20);
  BOOST_TEST(now.devices.at(0).used_bytes == 0u);
  BOOST_REQUIRE(now.yields.size() == 1u);
  BOOST_TEST(now.yields[0].id == yielded.yield);
  BOOST_TEST(now.yields[0].pid == ::getpid());
  wire::AcquireParams wanted;
  wanted.models = {"a"};
  wanted.wait_ms = 200;
  BOOST_TEST(peer.ask("lease.acquire", wanted).failed());
  admin.call<wire::Empty>("yield.end", wire::YieldEndParams{yielded.yield});
  BOOST_TEST(status().devices.at(0).yielded_bytes == 0u);
  peer.acquire("a");
  params = {"cpu", 65u << 20, std::nullopt, 0};
  BOOST_TEST((admin.ask("yield", params).error().code == Code::never_fits));
  params = {"gpu", 1, std::nullopt, 0};
  BOOST_TEST((admin.ask("yield", params).error().code == Code::invalid));
}

BOOST_AUTO_TEST_CASE(a_yield_ends_with_its_connection_or_its_time) {
  start();
  {
    auto admin = client();
    admin.call<wire::YieldResult>("yield", wire::YieldParams{"cpu", 40u << 20, std::nullopt, 0});
    BOOST_TEST(status().yields.size() == 1u);
  }
  BOOST_TEST(eventually([&] { return status().yields.empty(); }));
  auto admin = client();
  const auto timed =
      admin.call<wire::YieldResult>("yield", wire::YieldParams{"cpu", 40u << 20, 300, 0});
  BOOST_TEST(timed.until_ms.has_value());
  BOOST_TEST(eventually([&] { return status().devices.at(0).yielded_bytes == 0; }));
}

BOOST_AUTO_TEST_CASE(a_yield_waits_for_holders_and_can_be_cancelled) {
  start();
  auto holder = client(), admin = client();
  const auto lease = holder.acquire("a");
  const wire::YieldParams params{"cpu", 40u << 20, std::nullopt, 600'000};
  const auto cancelled = admin.send("yield", params);
  admin.cancel(cancelled);
  BOOST_TEST((admin.wait(cancelled).error().code == Code::interrupted));
  const auto id = admin.send("yield", params);
  holder.release(lease);
  BOOST_TEST(admin.wait(id).result<wire::YieldResult>().bytes == 40u << 20);
}

BOOST_AUTO_TEST_CASE(a_draining_daemon_takes_no_work_until_it_is_told_otherwise) {
  start();
  auto peer = client(), admin = client();
  peer.hello();
  const auto lease = peer.acquire("a");
  BOOST_TEST(
      admin.call<wire::DrainResult>("drain", wire::DrainParams{std::nullopt, true}).draining);
  peer.wait_notification("draining");
  BOOST_TEST(status().daemon.draining);
  wire::AcquireParams params;
  params.models = {"a"};
  BOOST_TEST((peer.ask("lease.acquire", params).error().code == Code::draining));
  BOOST_TEST(
      !admin.call<wire::DrainResult>("drain", wire::DrainParams{std::nullopt, false}).draining);
  BOOST_TEST(
      peer.wait(peer.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
  peer.acquire("a");
}

BOOST_AUTO_TEST_CASE(a_draining_device_gets_no_loads_and_empties) {
  start();
  auto peer = client(), admin = client();
  peer.release(peer.acquire("a"));
  admin.call<wire::DrainResult>("drain", wire::DrainParams{"cpu", true});
  BOOST_TEST(eventually([&] { return status().devices.at(0).used_bytes == 0; }));
  BOOST_TEST(status().devices.at(0).draining);
  wire::AcquireParams params;
  params.models = {"a"};
  params.wait_ms = 200;
  BOOST_TEST(peer.ask("lease.acquire", params).failed());
  admin.call<wire::DrainResult>("drain", wire::DrainParams{"cpu", false});
  peer.acquire("a");
  BOOST_TEST((admin.ask("drain", wire::DrainParams{"gpu", true}).error().code == Code::invalid));
}

BOOST_AUTO_TEST_CASE(revoke_says_whose_lease_it_was) {
  start();
  auto holder = client(), admin = client();
  const auto lease = holder.acquire("a");
  const auto revoked =
      admin.call<wire::RevokeResult>("revoke", wire::RevokeParams{lease.lease, ""});
  BOOST_TEST(revoked.model == "a");
  BOOST_TEST(revoked.user.value() == "root");
  BOOST_TEST(revoked.pid == ::getpid());
  BOOST_TEST(status().leases.empty());
  BOOST_TEST(
      (admin.ask("revoke", wire::RevokeParams{lease.lease, ""}).error().code == Code::lease_lost));
  BOOST_TEST(
      (admin.ask("revoke", wire::RevokeParams{lease.lease, std::string(257, 'x')}).error().code ==
       Code::invalid));
}

BOOST_AUTO_TEST_SUITE_END()

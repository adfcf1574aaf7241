// What people do to a shared device, with real processes and sockets: nobody starves, nobody hangs,
// nothing is unloaded under somebody's work.
#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "support/daemon_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

namespace {

constexpr const char* kForty = R"({"tensor_bytes": 41943040})";  // one fits into 64 MiB, two do not
constexpr const char* kDevice = "[devices.cpu]\nmemory = \"64 MiB\"\n";
constexpr uid_t kAlice = 61001;
constexpr uid_t kBob = 61002;

boost::test_tools::assertion_result as_root(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result root(::geteuid() == 0);
  root.message() << "connecting as other users needs root";
  return root;
}

struct ModelsParams {
  std::vector<std::string> models;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("models", self.models);
  }
};

struct UnloadParams {
  std::string model;
  bool force = false;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("model", self.model);
    visit("force", self.force);
  }
};

class Scenario : public DaemonFixture {
 public:
  // A connection that the daemon sees as this user's.
  WireClient client_of(uid_t uid) const {
    BOOST_REQUIRE(::chmod(path("").c_str(), 0755) == 0);
    BOOST_REQUIRE(::seteuid(uid) == 0);
    try {
      WireClient connected(socket());
      BOOST_REQUIRE(::seteuid(0) == 0);
      return connected;
    } catch (...) {
      BOOST_REQUIRE(::seteuid(0) == 0);
      throw;
    }
  }
  std::uint32_t ask_for(WireClient& peer, const std::string& model) const {
    wire::AcquireParams params;
    params.models = {model};
    return peer.send("lease.acquire", params);
  }
  static wire::LeaseGrant granted(WireClient& peer, std::uint32_t request) {
    return peer.wait(request).result<wire::AcquireResult>().leases.at(0);
  }
  static std::string finish(WireClient& peer, std::uint32_t request) {
    return peer.wait(request).result<wire::GenerateResult>().finish;
  }
  std::uint64_t loads_of(const std::string& model) const {
    const std::string line = "loading model=" + model + " ";
    const std::string text = log();
    std::uint64_t count = 0;
    for (std::size_t at = 0; (at = text.find(line, at)) != std::string::npos; ++at) ++count;
    return count;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(scenario, Scenario)

BOOST_AUTO_TEST_CASE(with_room_for_three_the_pipeline_loads_each_model_once) {
  for (const char* name : {"concept", "relationship", "attribute"})
    model(name, kForty, "auto_unload = false");
  start("[devices.cpu]\nmemory = \"192 MiB\"\n");
  auto peer = client();
  for (int round = 0; round < 3; ++round) {
    for (const char* name : {"concept", "relationship", "attribute"}) {
      const auto lease = peer.acquire(name);
      BOOST_TEST(finish(peer, peer.generate(lease, "alpha", 2)) == "length");
      BOOST_TEST(peer.release(lease).outcome == "kept");
    }
  }
  for (const char* name : {"concept", "relationship", "attribute"}) {
    BOOST_TEST(model_row(name).state == "ready");
    BOOST_TEST(loads_of(name) == 1u);
  }
}

BOOST_AUTO_TEST_CASE(two_users_take_turns_on_a_device_that_holds_one,
                     *boost::unit_test::precondition(as_root)) {
  model("a", kForty, "auto_unload = false");
  model("b", kForty, "auto_unload = false");
  start(kDevice, "min_residency = \"1s\"\nsocket_mode = \"0666\"");
  auto alice = client_of(kAlice);
  auto bob = client_of(kBob);
  std::atomic<int> served_alice{0}, served_bob{0};
  std::atomic<bool> stop{false};
  const auto work = [&](WireClient& peer, const char* name, std::atomic<int>& served) {
    while (!stop) {
      const auto lease = granted(peer, ask_for(peer, name));
      if (finish(peer, peer.generate(lease, "alpha", 2)) == "length") ++served;
      peer.release(lease);
    }
  };
  std::thread first([&] { work(alice, "a", served_alice); });
  std::thread second([&] { work(bob, "b", served_bob); });
  const auto begun = std::chrono::steady_clock::now();
  // Both are served again after the other was: nobody starves.
  const bool both = eventually([&] { return loads_of("a") >= 3 && loads_of("b") >= 3; });
  stop = true;
  first.join();
  second.join();
  BOOST_TEST(both);
  BOOST_TEST(served_alice > 3);
  BOOST_TEST(served_bob > 3);
  // A residency lasts a second, so switches are no more than the seconds.
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begun)
          .count();
  BOOST_TEST(loads_of("a") + loads_of("b") <= static_cast<std::uint64_t>(seconds) + 3);
}

BOOST_AUTO_TEST_CASE(a_stream_of_short_requests_does_not_keep_a_waiter_out) {
  model("a", kForty, "auto_unload = false");
  model("b", kForty);
  start(kDevice, "min_residency = \"100ms\"");
  std::atomic<bool> stop{false};
  std::atomic<int> after_ask{0};
  std::atomic<bool> asked{false};
  std::vector<std::thread> crowd;
  for (int i = 0; i < 3; ++i)
    crowd.emplace_back([&] {
      auto peer = client();
      while (!stop) {
        const auto lease = granted(peer, ask_for(peer, "a"));
        finish(peer, peer.generate(lease, "alpha", 2));
        peer.release(lease);
        if (asked) ++after_ask;
      }
    });
  BOOST_TEST(eventually([&] { return model_row("a").state == "ready"; }));
  auto waiter = client();
  const auto request = ask_for(waiter, "b");
  BOOST_TEST(eventually([&] { return model_row("b").waiting == 1 || model_row("b").leases == 1; }));
  asked = true;
  const auto lease = granted(waiter, request);
  BOOST_TEST(lease.model == "b");
  // Those that held or overtook it: at most eight after it, and one of each who was inside.
  BOOST_TEST(after_ask <= 8 + 3 + 3);
  waiter.release(lease);
  stop = true;
  for (auto& one : crowd) one.join();
}

BOOST_AUTO_TEST_CASE(crossed_orders_on_a_device_that_holds_one_both_finish) {
  model("a", kForty);
  model("b", kForty);
  start();
  std::atomic<int> finished{0};
  const auto take = [&](const char* first_model, const char* second_model) {
    auto peer = client();
    const auto first = granted(peer, ask_for(peer, first_model));
    const auto second = granted(peer, ask_for(peer, second_model));
    if (finish(peer, peer.generate(first, "alpha", 2)) != "length") return;
    if (finish(peer, peer.generate(second, "alpha", 2)) != "length") return;
    peer.release(first);
    peer.release(second);
    ++finished;
  };
  std::thread one([&] { take("a", "b"); });
  std::thread other([&] { take("b", "a"); });
  one.join();
  other.join();
  BOOST_TEST(finished == 2);
  BOOST_TEST(status().devices.at(0).used_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(an_idle_lease_lends_its_memory_and_gets_it_back) {
  model("a", kForty, "idle_grace = \"100ms\"");
  model("b", kForty);
  start(kDevice, "min_residency = \"0s\"");
  auto holder = client(), waiter = client();
  const auto idle = holder.acquire("a");
  const auto lease = granted(waiter, ask_for(waiter, "b"));
  BOOST_TEST(model_row("a").state == "suspended");
  BOOST_TEST(model_row("a").leases == 1u);
  const auto resumed = holder.generate(idle, "alpha beta", 2);
  BOOST_TEST(eventually([&] { return status().queue.size() == 1; }));
  BOOST_TEST(finish(waiter, waiter.generate(lease, "alpha", 2)) == "length");
  waiter.release(lease);
  BOOST_TEST(holder.wait(resumed).result<wire::GenerateResult>().text.value() == "1:alpha 2:beta ");
  BOOST_TEST(holder.release(idle).outcome == "freed");
}

BOOST_AUTO_TEST_CASE(a_lease_that_never_idles_by_its_model_is_not_suspended) {
  model("a", kForty, "idle_grace = \"never\"");
  model("b", kForty);
  start(kDevice, "min_residency = \"0s\"\nidle_grace = \"50ms\"");
  auto holder = client(), waiter = client();
  const auto lease = holder.acquire("a");
  wire::AcquireParams params;
  params.models = {"b"};
  params.wait_ms = 500;
  BOOST_TEST((waiter.ask("lease.acquire", params).error().code == Code::busy));
  BOOST_TEST(model_row("a").state == "ready");
  holder.release(lease);
}

BOOST_AUTO_TEST_CASE(a_request_in_the_step_of_an_unload_queues_behind_it) {
  model("a", R"({"tensor_bytes": 41943040, "unload_ms": 300})");
  start();
  auto peer = client(), late = client();
  const auto lease = peer.acquire("a");
  const auto release = peer.send("lease.release", wire::ReleaseParams{lease.lease, lease.epoch});
  BOOST_REQUIRE(eventually([&] { return model_row("a").state == "unloading"; }));
  const auto request = ask_for(late, "a");
  BOOST_TEST(peer.wait(release).result<wire::ReleaseResult>().outcome == "freed");
  const auto again = granted(late, request);
  BOOST_TEST(finish(late, late.generate(again, "alpha", 1)) == "length");
  late.release(again);
  BOOST_TEST(loads_of("a") == 2u);
}

BOOST_AUTO_TEST_CASE(an_unload_by_force_ends_a_runaway_generation) {
  model(
      "a",
      R"({"tensor_bytes": 41943040, "token_ms": 10, "context_tokens": 100000, "kv_bytes_per_token": 16})");
  start();
  auto holder = client(), admin = client();
  const auto lease = holder.acquire("a");
  const auto runaway = holder.generate(lease, "alpha", -1, true);
  BOOST_REQUIRE(holder.read_frame().method == "generate.chunk");
  const Answer refused = admin.ask("unload", UnloadParams{"a", false});
  BOOST_REQUIRE(refused.failed());
  BOOST_TEST((refused.error().code == Code::busy));
  const auto report = admin.call<wire::ReleaseResult>("unload", UnloadParams{"a", true});
  BOOST_TEST(report.outcome == "freed");
  BOOST_TEST(report.residual_bytes == 0u);
  BOOST_TEST(finish(holder, runaway) == "cancelled");
  BOOST_TEST((holder.wait(holder.generate(lease, "alpha", 1)).error().code == Code::lease_lost));
  BOOST_TEST(status().leases.empty());
}

BOOST_AUTO_TEST_CASE(a_release_beside_another_lease_of_the_model_keeps_it) {
  model("a", R"({"tensor_bytes": 41943040, "token_ms": 20})");
  start();
  auto one = client(), other = client();
  const auto first = one.acquire("a");
  const auto second = other.acquire("a");
  const auto running = other.generate(second, "alpha", 20);
  const auto report = one.release(first);
  BOOST_TEST(report.outcome == "still_leased");
  BOOST_TEST(report.remaining_leases == 1u);
  BOOST_TEST(finish(other, running) == "length");
  BOOST_TEST(other.release(second).outcome == "freed");
}

BOOST_AUTO_TEST_CASE(a_pipeline_on_one_base_loads_it_once_with_a_prefetch_of_the_next_step) {
  write_fake("base", kForty);
  std::string sections = kDevice;
  for (const char* name : {"concept", "relationship", "attribute"})
    sections += std::string("[models.") + name + "]\npath = \"models/base\"\n";
  start(sections);
  auto peer = client();
  const char* steps[] = {"concept", "relationship", "attribute"};
  for (int step = 0; step < 3; ++step) {
    const auto lease = peer.acquire(steps[step]);
    if (step < 2) peer.ask("prefetch", ModelsParams{{steps[step + 1]}});
    BOOST_TEST(finish(peer, peer.generate(lease, "alpha", 2)) == "length");
    const auto report = peer.release(lease);
    BOOST_TEST(report.outcome == (step < 2 ? "kept_wanted" : "freed"));
  }
  BOOST_TEST(loads_of("concept") + loads_of("relationship") + loads_of("attribute") == 1u);
}

BOOST_AUTO_TEST_CASE(a_holder_whose_forked_child_outlives_its_kill_loses_the_lease) {
  model("a", kForty);
  start();
  int ready[2];
  BOOST_REQUIRE(::pipe(ready) == 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    WireClient peer(socket());
    peer.acquire("a");
    const pid_t child = ::fork();  // shares the socket
    if (child == 0) {
      ::alarm(100);
      for (;;) ::pause();
    }
    (void)!::write(ready[1], &child, sizeof child);
    for (;;) ::pause();
  }
  pid_t child = 0;
  BOOST_REQUIRE(::read(ready[0], &child, sizeof child) == sizeof child);
  BOOST_TEST(model_row("a").leases == 1u);
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  BOOST_TEST(eventually(
      [&] { return model_row("a").leases == 0 && status().devices.at(0).used_bytes == 0; }));
  BOOST_TEST(is_alive(child));
  ::kill(child, SIGKILL);
  ::close(ready[0]);
  ::close(ready[1]);
}

BOOST_AUTO_TEST_SUITE_END()

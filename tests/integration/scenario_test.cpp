// What people do to a shared device, with real processes and sockets: nobody starves, nobody hangs,
// nothing is unloaded under somebody's work.
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "support/daemon_fixture.hpp"
#include "wire/operator_messages.hpp"

using namespace gpumodel;
using namespace gpumodel::test;

namespace {

constexpr uid_t kAlice = 61001;
constexpr uid_t kBob = 61002;

boost::test_tools::assertion_result as_root(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result root(::geteuid() == 0);
  root.message() << "connecting as other users needs root";
  return root;
}

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
  static std::uint32_t ask_for(WireClient& peer, const std::string& model) {
    return peer.send("lease.acquire", wanted({model}));
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
    if (step < 2) peer.ask("prefetch", wire::PrefetchParams{{steps[step + 1]}});
    BOOST_TEST(finish(peer, peer.generate(lease, "alpha", 2)) == "length");
    const auto report = peer.release(lease);
    BOOST_TEST(report.outcome == (step < 2 ? "kept_wanted" : "freed"));
  }
  BOOST_TEST(loads_of("concept") + loads_of("relationship") + loads_of("attribute") == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

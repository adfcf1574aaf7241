// Models that are adapters over one base: the base is held once, and each speaks with its own.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "support/daemon_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::test;

namespace {

// The device holds one base and its adapters, and not two bases.
constexpr const char* kBase = R"({"tensor_bytes": 41943040})";
constexpr std::uint64_t kBaseBytes = 41943040;
constexpr const char* kAdapter = R"({"tensor_bytes": 1048576})";
constexpr std::uint64_t kAdapterBytes = 1048576;
constexpr const char* kContext = "context_tokens = 1024\n";

}  // namespace

struct AdapterFixture : DaemonFixture {
  void three_over_one_base(const std::string& keys = "") {
    write_fake("base", kBase);
    for (const char* name : {"concept", "relationship", "attribute"})
      adapted_model(name, "base", kAdapter, kContext + keys);
  }
  std::string say(WireClient& peer, const wire::LeaseGrant& lease) const {
    return *peer.wait(peer.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text;
  }
  std::uint64_t used_bytes() const { return status().devices.at(0).used_bytes; }
  std::size_t logged(const std::string& text) const {
    const std::string all = log();
    std::size_t found = 0;
    for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++found;
    return found;
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_adapter, AdapterFixture)

BOOST_AUTO_TEST_CASE(three_models_hold_one_base_and_speak_each_with_its_own_adapter) {
  three_over_one_base();
  start();
  auto peer = client();
  const auto leases =
      peer.call<wire::AcquireResult>("lease.acquire", wanted({"concept", "relationship"})).leases;
  const auto third = peer.acquire("attribute");
  BOOST_TEST(say(peer, leases.at(0)) == "concept:1:alpha ");
  BOOST_TEST(say(peer, leases.at(1)) == "relationship:1:alpha ");
  BOOST_TEST(say(peer, third) == "attribute:1:alpha ");
  BOOST_TEST(logged("loading model=concept") == 1u);
  BOOST_TEST(logged("loading an adapter") == 3u);
  BOOST_TEST(used_bytes() < 2 * kBaseBytes);
  BOOST_TEST(used_bytes() >= kBaseBytes + 3 * kAdapterBytes);
  BOOST_TEST(model_row("concept").adapter_bytes == kAdapterBytes);
  BOOST_TEST(*model_row("concept").device_bytes > kBaseBytes + kAdapterBytes);
}

BOOST_AUTO_TEST_CASE(switching_between_them_moves_no_weights) {
  three_over_one_base("auto_unload = false\n");
  start();
  auto peer = client();
  for (int turn = 0; turn < 3; ++turn)
    for (const char* name : {"concept", "relationship", "attribute"}) {
      const auto lease = peer.acquire(name);
      BOOST_TEST(say(peer, lease) == std::string(name) + ":1:alpha ");
      BOOST_TEST(peer.release(lease).outcome == "kept");
    }
  BOOST_TEST(logged("loading an adapter") == 3u);
  BOOST_TEST(logged("loaded an adapter") == 3u);
  BOOST_TEST(logged("unload") == 0u);
}

BOOST_AUTO_TEST_CASE(an_adapter_leaves_alone_and_the_base_with_the_last) {
  three_over_one_base("auto_unload = true\n");
  start();
  auto peer = client();
  const auto first = peer.acquire("concept");
  const auto second = peer.acquire("relationship");
  const std::uint64_t both = used_bytes();
  const wire::ReleaseResult alone = peer.release(first);
  BOOST_TEST(alone.outcome == "still_leased");
  BOOST_TEST(alone.remaining_leases == 1u);
  BOOST_TEST(alone.freed_bytes == kAdapterBytes);
  BOOST_TEST(used_bytes() == both - kAdapterBytes);
  BOOST_TEST(say(peer, second) == "relationship:1:alpha ");
  BOOST_TEST(peer.release(second).freed_bytes >= kBaseBytes + kAdapterBytes);
  BOOST_TEST(used_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(a_model_without_an_adapter_shares_the_base_with_those_that_have_one) {
  model("base", kBase, kContext);
  adapted_model("concept", "base", kAdapter, kContext);
  start();
  auto peer = client();
  const auto plain = peer.acquire("base");
  const auto adapted = peer.acquire("concept");
  BOOST_TEST(say(peer, plain) == "1:alpha ");
  BOOST_TEST(say(peer, adapted) == "concept:1:alpha ");
  BOOST_TEST(model_row("base").adapter_bytes == 0u);
  BOOST_TEST(used_bytes() < 2 * kBaseBytes);
}

BOOST_AUTO_TEST_CASE(a_bad_adapter_is_the_model_s_fault_and_no_other_s) {
  write_fake("base", kBase);
  adapted_model("good", "base", kAdapter, kContext);
  adapted_model("bad", "base", R"({"tensor_bytes": 1048576, "fail": "model_bad"})", kContext);
  adapted_model("unreadable", "base", "{", kContext);
  start();
  auto peer = client();
  const auto lease = peer.acquire("good");
  const auto refused = peer.ask("lease.acquire", wanted({"bad"}));
  BOOST_REQUIRE(refused.failed());
  BOOST_TEST((refused.error().code == wire::Code::model_bad));
  BOOST_TEST(
      (peer.ask("lease.acquire", wanted({"unreadable"})).error().code == wire::Code::model_bad));
  BOOST_TEST(say(peer, lease) == "good:1:alpha ");
  peer.release(lease);
  BOOST_TEST(eventually([&] { return used_bytes() == 0; }));
}

BOOST_AUTO_TEST_CASE(an_adapter_that_changed_on_disk_is_read_anew) {
  three_over_one_base("auto_unload = true\n");
  start();
  auto peer = client();
  peer.release(peer.acquire("concept"));
  write_fake("concept", R"({"tensor_bytes": 2097152})");
  const auto lease = peer.acquire("concept");
  BOOST_TEST(model_row("concept").adapter_bytes == 2 * kAdapterBytes);
  BOOST_TEST(say(peer, lease) == "concept:1:alpha ");
}

BOOST_AUTO_TEST_CASE(adapters_come_back_with_their_base_after_the_engine_s_death) {
  three_over_one_base();
  start();
  auto peer = client();
  const auto first = peer.acquire("concept");
  const auto second = peer.acquire("attribute");
  BOOST_TEST(say(peer, first) == "concept:1:alpha ");
  const pid_t engine = engine_pid();
  ::kill(engine, SIGKILL);
  BOOST_REQUIRE(eventually([&] { return engine_pid() != engine; }));
  BOOST_TEST(say(peer, second) == "attribute:1:alpha ");
  BOOST_TEST(say(peer, first) == "concept:1:alpha ");
}

BOOST_AUTO_TEST_SUITE_END()

// SIGHUP: the configuration changes under held leases, or is refused whole.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "support/daemon_fixture.hpp"
#include "wire/operator_messages.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

struct ReloadFixture : DaemonFixture {
  // Writes the configuration and has it read; the status that the service manager got at the end.
  std::string reload(const std::string& text) {
    std::ofstream(path("gpumodeld.toml")) << text;
    signal(SIGHUP);
    BOOST_TEST(next_notification().find("RELOADING=1\nMONOTONIC_USEC=") != std::string::npos);
    const std::string ready = next_notification();
    BOOST_TEST(ready.find("READY=1") != std::string::npos);
    return ready;
  }
  std::string table(const std::string& name, const std::string& keys = "") {
    return "[models." + name + "]\npath = \"models/" + name + "\"\n" + keys + "\n";
  }
  std::string head(const std::string& sections = kDevice, const std::string& daemon_keys = "") {
    return "[daemon]\nsocket = \"" + socket() + "\"\n" + daemon_keys + "\n" + sections + "\n";
  }
  Code acquire_error(WireClient& peer, const std::string& name) {
    wire::AcquireParams params;
    params.models = {name};
    params.wait_ms = 0;
    return peer.ask("lease.acquire", params).error().code;
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_reload, ReloadFixture)

BOOST_AUTO_TEST_CASE(models_come_and_go_and_held_leases_stay) {
  model("old", R"({"tensor_bytes": 1000})");
  write_fake("fresh", R"({"tensor_bytes": 1000})");
  start(kDevice);
  auto peer = client();
  const auto lease = peer.acquire("old");
  BOOST_TEST((acquire_error(peer, "fresh") == Code::no_model));
  reload(head() + table("fresh"));
  peer.acquire("fresh");
  // The lease on what is gone goes on; a new one is refused.
  BOOST_TEST(
      peer.wait(peer.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
  BOOST_TEST((acquire_error(peer, "old") == Code::no_model));
  BOOST_TEST(model_row("old").leases == 1u);
  peer.release(lease);
  BOOST_TEST(status().models.size() == 1u);
  BOOST_TEST(log().find("the configuration was reloaded") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_model_that_comes_back_is_served_again) {
  model("m", R"({"tensor_bytes": 1000})");
  start(kDevice);
  reload(head());
  auto peer = client();
  BOOST_TEST((acquire_error(peer, "m") == Code::no_model));
  reload(head() + table("m"));
  peer.acquire("m");
}

BOOST_AUTO_TEST_CASE(a_changed_model_serves_new_loads_by_its_new_keys) {
  model("m", R"({"tensor_bytes": 1000})");
  start(kDevice);
  auto peer = client();
  const auto lease = peer.acquire("m");
  BOOST_TEST(lease.context_tokens == 1024u);
  reload(head() + table("m", "context_tokens = 64"));
  // A lease keeps what it was granted under.
  BOOST_TEST(peer.wait(peer.generate(lease, "alpha", 100))
                 .result<wire::GenerateResult>()
                 .usage.output_tokens == 100u);
  BOOST_TEST(peer.release(lease).outcome == "freed");
  BOOST_TEST(peer.acquire("m").context_tokens == 64u);
}

BOOST_AUTO_TEST_CASE(what_says_how_a_model_is_kept_changes_at_once) {
  model("m", R"({"tensor_bytes": 1000})");
  start(kDevice);
  auto peer = client();
  const auto lease = peer.acquire("m");
  reload(head() + table("m", "auto_unload = false"));
  BOOST_TEST(peer.release(lease).outcome == "kept");
  reload(head() + table("m", "pin = true"));
  BOOST_TEST(eventually([&] { return model_row("m").pinned; }));
  reload(head() + table("m"));
  BOOST_TEST(eventually([&] { return model_row("m").state == "unloaded"; }));
}

BOOST_AUTO_TEST_CASE(a_model_that_comes_back_while_it_is_leased_has_one_row) {
  model("m", R"({"tensor_bytes": 1000})");
  start(kDevice);
  auto peer = client();
  const auto lease = peer.acquire("m");
  reload(head());
  reload(head() + table("m", "context_tokens = 64"));
  peer.acquire("m");
  BOOST_TEST(status().models.size() == 1u);
  BOOST_TEST(model_row("m").leases == 2u);
  BOOST_TEST(
      peer.wait(peer.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
}

BOOST_AUTO_TEST_CASE(limits_times_and_admins_change) {
  model("m", R"({"tensor_bytes": 1000})");
  start(kDevice);
  auto peer = client();
  BOOST_TEST(peer.hello().max_wait_ms == 600'000);
  reload(head(std::string(kDevice) + "[limits]\nleases = 1\n", "max_wait = \"5s\"") + table("m"));
  BOOST_TEST(client().hello().max_wait_ms == 5'000);
  peer.acquire("m");
  BOOST_TEST((acquire_error(peer, "m") == Code::quota));
  reload(head() + table("m"));
  peer.acquire("m");
}

BOOST_AUTO_TEST_CASE(what_cannot_change_is_refused_by_name_and_nothing_changes) {
  model("m", R"({"tensor_bytes": 1000})");
  start(kDevice);
  const auto status_line =
      reload(head("[devices.cpu]\nmemory = \"32 MiB\"\n[host_cache]\nmemory = \"1 MiB\"\n"));
  BOOST_TEST(status_line.find("was not reloaded") != std::string::npos);
  BOOST_TEST(log().find("devices, host_cache.memory cannot change while the daemon runs") !=
             std::string::npos);
  auto peer = client();
  peer.acquire("m");
  BOOST_TEST(status().devices.at(0).capacity_bytes == 64u << 20);
}

BOOST_AUTO_TEST_CASE(a_wrong_configuration_is_told_and_the_old_one_stays) {
  model("m", R"({"tensor_bytes": 1000})");
  start(kDevice);
  reload(head() + "[modles.x]\n");
  BOOST_TEST(log().find("modles: unknown key; did you mean \"models\"?") != std::string::npos);
  reload("not toml at all");
  BOOST_TEST(log().find("not TOML") != std::string::npos);
  reload(head() + table("m", "users = [\"no-such-user\"]"));
  BOOST_TEST(log().find("no user \"no-such-user\" on this system") != std::string::npos);
  auto peer = client();
  peer.acquire("m");
  const auto events = peer.call<wire::EventsResult>("events", wire::EventsParams{0, 1000}).events;
  std::size_t failed = 0;
  for (const wire::Event& event : events) failed += event.type == "reload_failed";
  BOOST_TEST(failed == 3u);
}

BOOST_AUTO_TEST_CASE(a_suspended_lease_comes_back_by_what_it_was_granted_under) {
  model("a", kForty);
  model("b", kForty);
  start(kDevice, "min_residency = 0\nidle_grace = \"1ms\"");
  auto holder = client(), waiter = client();
  const auto lease = holder.acquire("a");
  const auto other = waiter.acquire("b");
  holder.wait_notification("lease.suspended");
  reload(head(kDevice, "min_residency = 0\nidle_grace = \"1ms\"") + table("b"));
  waiter.release(other);
  BOOST_TEST(
      holder.wait(holder.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
}

BOOST_AUTO_TEST_SUITE_END()

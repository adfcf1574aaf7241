// Weights that stay in host memory: filled beside a load, used by the next one, verified after a
// death, given up for room.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "support/daemon_fixture.hpp"
#include "wire/operator_messages.hpp"

using namespace gpumodel;
using namespace gpumodel::test;

namespace {

// A load from disk takes half a second, one from an image none.
constexpr const char* kSlow = R"({"tensor_bytes": 41943040, "load_ms": 500})";
constexpr std::uint64_t kImage = 41943040;
constexpr const char* kSections =
    "[devices.cpu]\nmemory = \"64 MiB\"\n[host_cache]\nmemory = \"100 MiB\"\n";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

}  // namespace

struct HostCacheFixture : DaemonFixture {
  std::string residency(const std::string& model) const {
    for (const auto& row : status().weights)
      for (const std::string& name : row.models)
        if (name == model) return row.residency;
    return "(unknown)";
  }
  std::uint64_t used() const { return status().host_cache.used_bytes; }
  std::size_t loads_from(const std::string& where) const { return count(log(), " from=" + where); }
  void kill_engine() const {
    const pid_t engine = engine_pid();
    ::kill(engine, SIGKILL);
    BOOST_REQUIRE(eventually([&] { return engine_pid() != engine; }));
  }
  // What goes wrong with a model from now on, without a change of its files.
  void fail(const std::string& model, const std::string& what) const {
    std::ofstream(path("models/" + model + "/fail")) << what;
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_host_cache, HostCacheFixture)

BOOST_AUTO_TEST_CASE(a_model_that_was_unloaded_comes_back_from_its_image) {
  model("m", kSlow);
  start(kSections);
  auto peer = client();
  BOOST_TEST(status().host_cache.capacity_bytes == 100u << 20);
  BOOST_TEST(eventually([&] { return residency("m") == "disk"; }));  // once it was inspected
  peer.release(peer.acquire("m"));
  BOOST_TEST(residency("m") == "host");
  BOOST_TEST(used() == kImage);
  BOOST_TEST(status().devices.at(0).used_bytes == 0u);
  const auto lease = peer.acquire("m");
  BOOST_TEST(residency("m") == "device");
  BOOST_TEST(
      peer.wait(peer.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
  BOOST_TEST(loads_from("disk") == 1u);
  BOOST_TEST(loads_from("host") == 1u);
}

BOOST_AUTO_TEST_CASE(without_a_host_cache_nothing_is_kept) {
  model("m", R"({"tensor_bytes": 41943040})");
  start();
  auto peer = client();
  peer.release(peer.acquire("m"));
  BOOST_TEST(residency("m") == "disk");
  peer.acquire("m");
  BOOST_TEST(loads_from("disk") == 2u);
}

BOOST_AUTO_TEST_CASE(the_image_used_longest_ago_goes_for_a_new_one) {
  for (const char* name : {"a", "b", "c"}) model(name, R"({"tensor_bytes": 41943040})");
  start(kSections);
  auto peer = client();
  for (const char* name : {"a", "b", "c"}) peer.release(peer.acquire(name));
  BOOST_TEST(residency("a") == "disk");
  BOOST_TEST(residency("b") == "host");
  BOOST_TEST(residency("c") == "host");
  BOOST_TEST(used() == 2 * kImage);
}

BOOST_AUTO_TEST_CASE(images_survive_their_engine_and_are_verified_before_they_are_used) {
  model("m", kSlow);
  start(kSections);
  auto peer = client();
  const auto lease = peer.acquire("m");
  kill_engine();
  BOOST_TEST(
      peer.wait(peer.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
  BOOST_TEST(loads_from("disk") == 1u);
  BOOST_TEST(loads_from("host") == 1u);
}

BOOST_AUTO_TEST_CASE(a_damaged_image_is_dropped_and_the_model_read_from_disk) {
  model("m", kSlow);
  start(kSections);
  auto peer = client();
  const auto lease = peer.acquire("m");
  fail("m", "verify");
  kill_engine();
  BOOST_TEST(
      peer.wait(peer.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
  BOOST_TEST(log().find("an image of the host cache is damaged") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_engine_that_dies_while_it_fills_leaves_no_image) {
  model("m", kSlow);
  start(kSections);
  fail("m", "crash_fill");
  auto peer = client();
  wire::AcquireParams params;
  params.models = {"m"};
  const auto id = peer.send("lease.acquire", params);
  BOOST_REQUIRE(eventually([&] { return status().devices.at(0).engine.restarts != 0; }));
  fail("m", "");
  peer.wait(id).result<wire::AcquireResult>();
  BOOST_TEST(log().find("an image of the host cache is damaged") == std::string::npos);
  BOOST_TEST(loads_from("host") == 0u);
}

BOOST_AUTO_TEST_CASE(a_prefetch_loads_where_there_is_room_and_fills_an_image_where_there_is_none) {
  model("a", R"({"tensor_bytes": 41943040})");
  model("b", R"({"tensor_bytes": 41943040})");
  start(kSections);
  auto peer = client();
  const auto prefetch = [&](const std::string& name) {
    return peer.call<wire::PrefetchResult>("prefetch", wire::PrefetchParams{{name}}).models.at(0);
  };
  BOOST_TEST(prefetch("a").action == "load");
  BOOST_REQUIRE(eventually([&] { return model_row("a").state == "ready"; }));
  const auto lease = peer.acquire("a");
  BOOST_TEST(prefetch("a").residency == "device");
  BOOST_TEST(prefetch("a").action == "none");
  BOOST_TEST(prefetch("b").action == "host");
  BOOST_TEST(eventually([&] { return residency("b") == "host"; }));
  BOOST_TEST(peer.release(lease).outcome == "kept_wanted");
}

BOOST_AUTO_TEST_CASE(a_prefetch_ends_with_its_connection) {
  model("a", R"({"tensor_bytes": 41943040})");
  start();
  {
    auto peer = client();
    peer.call<wire::PrefetchResult>("prefetch", wire::PrefetchParams{{"a"}});
    BOOST_REQUIRE(eventually([&] { return model_row("a").state == "ready"; }));
  }
  BOOST_TEST(eventually([&] { return status().devices.at(0).used_bytes == 0; }));
}

BOOST_AUTO_TEST_SUITE_END()

// Several devices of different capacity, one engine each.
#include <boost/test/unit_test.hpp>

#include "support/daemon_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::test;

namespace {

constexpr const char* kTwo =
    "[devices.\"cpu:0\"]\nmemory = \"64 MiB\"\n[devices.\"cpu:1\"]\nmemory = \"128 MiB\"\n";

}  // namespace

struct DevicesFixture : DaemonFixture {
  std::string device_of(const std::string& name) const {
    return model_row(name).device.value_or("(none)");
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_devices, DevicesFixture)

BOOST_AUTO_TEST_CASE(models_share_the_devices_and_each_device_has_an_engine) {
  for (const char* name : {"a", "b", "c"}) model(name, kForty);
  start(kTwo);
  auto peer = client();
  std::vector<wire::LeaseGrant> leases;
  for (const char* name : {"a", "b", "c"}) leases.push_back(peer.acquire(name));
  const auto devices = status().devices;
  BOOST_REQUIRE(devices.size() == 2u);
  BOOST_TEST(devices[0].name == "cpu:0");
  BOOST_TEST(devices[0].capacity_bytes == 64u << 20);
  BOOST_TEST(devices[1].capacity_bytes == 128u << 20);
  BOOST_REQUIRE(devices[0].engine.pid.has_value());
  BOOST_REQUIRE(devices[1].engine.pid.has_value());
  BOOST_TEST(*devices[0].engine.pid != *devices[1].engine.pid);
  for (const auto& device : devices) BOOST_TEST(device.used_bytes <= device.capacity_bytes);
  for (const auto& lease : leases)
    BOOST_TEST(
        peer.wait(peer.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
        "1:alpha ");
}

BOOST_AUTO_TEST_CASE(a_model_runs_where_its_configuration_says) {
  model("first", kForty, "devices = [\"cpu:0\"]");
  model("second", kForty, "devices = [\"cpu:1\"]");
  model("large", R"({"tensor_bytes": 104857600})");
  start(kTwo);
  auto peer = client();
  const auto first = peer.acquire("first");
  const auto second = peer.acquire("second");
  BOOST_TEST(device_of("first") == "cpu:0");
  BOOST_TEST(device_of("second") == "cpu:1");
  peer.release(second);
  peer.acquire("large");
  BOOST_TEST(device_of("large") == "cpu:1");
  peer.release(first);
}

BOOST_AUTO_TEST_CASE(a_lost_engine_takes_only_its_own_device_along) {
  model("first", kForty, "devices = [\"cpu:0\"]");
  model("second", kForty, "devices = [\"cpu:1\"]");
  start(kTwo);
  auto peer = client();
  const auto first = peer.acquire("first");
  const auto second = peer.acquire("second");
  const auto before = status().devices;
  BOOST_TEST((peer.wait(peer.generate(first, "crash", 1)).error().code == wire::Code::engine_lost));
  BOOST_TEST(
      peer.wait(peer.generate(second, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
  BOOST_TEST(
      peer.wait(peer.generate(first, "alpha", 1)).result<wire::GenerateResult>().text.value() ==
      "1:alpha ");
  const auto after = status().devices;
  BOOST_TEST(after[0].engine.restarts == 1u);
  BOOST_TEST(after[1].engine.restarts == 0u);
  BOOST_TEST(*after[1].engine.pid == *before[1].engine.pid);
}

BOOST_AUTO_TEST_CASE(a_set_is_granted_together_over_the_devices) {
  model("a", kForty);
  model("b", kForty);
  start("[devices.\"cpu:0\"]\nmemory = \"64 MiB\"\n[devices.\"cpu:1\"]\nmemory = \"64 MiB\"\n");
  auto peer = client();
  wire::AcquireParams params;
  params.models = {"a", "b"};
  const auto granted = peer.call<wire::AcquireResult>("lease.acquire", params);
  BOOST_TEST(granted.leases.size() == 2u);
  BOOST_TEST(device_of("a") != device_of("b"));
}

BOOST_AUTO_TEST_SUITE_END()

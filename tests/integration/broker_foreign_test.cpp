// Memory that other programs hold, as a probe that the test writes for reads it.
#include <stdlib.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "support/daemon_fixture.hpp"
#include "wire/operator_messages.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

namespace {

wire::AcquireParams wanted(const std::string& model, bool wait_foreign) {
  wire::AcquireParams params;
  params.models = {model};
  params.wait_foreign = wait_foreign;
  return params;
}

}  // namespace

struct ForeignFixture : DaemonFixture {
  ForeignFixture() {
    ::setenv("GPUMODEL_FAKE_MEMORY", path("memory.json").c_str(), 1);
    foreign("{}");
    model("a", kForty);
    model("small", R"({"tensor_bytes": 1048576})");
  }
  ~ForeignFixture() { ::unsetenv("GPUMODEL_FAKE_MEMORY"); }
  void foreign(const std::string& json) const {
    std::ofstream(path("memory.new")) << json;
    std::filesystem::rename(path("memory.new"), path("memory.json"));
  }
};

constexpr const char* kMuch =
    R"({"foreign_bytes": 50331648, "holders": [{"pid": 4711, "uid": 1000, "user": "alice",
        "command": "python3", "bytes": 50331648}]})";

BOOST_FIXTURE_TEST_SUITE(broker_foreign, ForeignFixture)

BOOST_AUTO_TEST_CASE(memory_in_the_way_is_an_error_at_once_that_names_its_holders) {
  start();
  foreign(kMuch);
  auto peer = client();
  const auto error = peer.ask("lease.acquire", wanted("a", false)).error();
  BOOST_TEST((error.code == Code::foreign), error.message);
  BOOST_TEST(error.message.find("python3") != std::string::npos);
  BOOST_TEST(error.message.find("alice") != std::string::npos);
  const auto detail = wire::decode_bytes<wire::ForeignDetail>(error.detail);
  BOOST_TEST(detail.foreign_bytes == 50331648u);
  BOOST_TEST(detail.capacity_bytes == 64u << 20);
  BOOST_TEST(detail.needed_bytes > 41943040u);
  BOOST_TEST(detail.missing_bytes == detail.needed_bytes + 50331648u - (64u << 20));
  BOOST_REQUIRE(detail.holders.size() == 1u);
  BOOST_TEST(detail.holders[0].pid == 4711);
  BOOST_TEST(detail.holders[0].user.value() == "alice");
  BOOST_TEST(detail.holders[0].bytes == 50331648u);
  BOOST_TEST(status().devices.at(0).foreign_bytes.value() == 50331648u);
  BOOST_TEST(status().devices.at(0).used_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(what_fits_beside_it_is_served) {
  start();
  foreign(kMuch);
  auto peer = client();
  peer.acquire("small");
  BOOST_TEST(model_row("small").state == "ready");
}

BOOST_AUTO_TEST_CASE(who_asked_to_wait_gets_it_when_the_memory_is_back_and_blocks_nobody) {
  start();
  foreign(kMuch);
  auto waiter = client(), other = client();
  const auto id = waiter.send("lease.acquire", wanted("a", true));
  BOOST_REQUIRE(eventually([&] { return status().queue.size() == 1; }));
  other.release(other.acquire("small"));
  BOOST_TEST(status().queue.size() == 1u);
  foreign("{}");
  BOOST_TEST(waiter.wait(id).result<wire::AcquireResult>().leases.at(0).model == "a");
}

// A process that takes memory, and has it until it is killed.
struct Hog {
  Hog() : process({"dd", "if=/dev/zero", "bs=48M", "count=1", "status=none"}) {
    // What it writes nobody reads, so that it does not get beyond having filled its buffer.
    BOOST_REQUIRE(eventually([&] { return resident_bytes(process.pid()) > 48u << 20; }));
  }
  std::string json() const { return "{\"pids\": [" + std::to_string(process.pid()) + "]}"; }
  Process process;
};

BOOST_AUTO_TEST_CASE(a_process_takes_and_returns_memory_while_two_clients_wait) {
  model("b", kForty);
  start();
  auto first = client(), second = client(), hasty = client();
  for (int round = 0; round < 2; ++round) {
    std::optional<Hog> hog(std::in_place);
    foreign(hog->json());
    const auto error = hasty.ask("lease.acquire", wanted("a", false)).error();
    BOOST_TEST((error.code == Code::foreign), error.message);
    const auto detail = wire::decode_bytes<wire::ForeignDetail>(error.detail);
    BOOST_REQUIRE(detail.holders.size() == 1u);
    BOOST_TEST(detail.holders[0].pid == hog->process.pid());
    BOOST_TEST(detail.holders[0].command == "dd");
    BOOST_TEST(detail.holders[0].bytes == resident_bytes(hog->process.pid()));
    const auto a = first.send("lease.acquire", wanted("a", true));
    const auto b = second.send("lease.acquire", wanted("b", true));
    BOOST_REQUIRE(eventually([&] { return status().queue.size() == 2; }));
    BOOST_TEST(status().devices.at(0).used_bytes == 0u);
    hog.reset();  // the file names it still, but it holds nothing any more
    const auto lease = first.wait(a).result<wire::AcquireResult>().leases.at(0);
    BOOST_TEST(status().devices.at(0).foreign_bytes.value() == 0u);
    first.release(lease);
    second.release(second.wait(b).result<wire::AcquireResult>().leases.at(0));
  }
  BOOST_TEST(status().queue.empty());
}

BOOST_AUTO_TEST_CASE(a_probe_that_does_not_answer_leaves_the_last_reading) {
  start();
  foreign(R"({"ms": 600000})");
  auto peer = client();
  peer.acquire("a");  // after the reading's time limit
  BOOST_TEST(model_row("a").state == "ready");
}

BOOST_AUTO_TEST_SUITE_END()

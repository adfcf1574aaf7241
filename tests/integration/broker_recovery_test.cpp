// After an engine's death: what it answered before is what it must answer again.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "support/daemon_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

struct RecoveryFixture : DaemonFixture {
  RecoveryFixture() { model("m", R"({"tensor_bytes": 1000})", "auto_unload = false"); }

  // Leaves the engine idle until the daemon has recorded what its model answers.
  void wait_recorded() {
    BOOST_REQUIRE(
        eventually([&] { return log().find("known answer recorded") != std::string::npos; }));
  }
  // From now on the model says other words than before, or no longer.
  void be_wrong(bool wrong) const {
    const std::string file = path("models/m/wrong");
    if (wrong) {
      std::ofstream(file) << "x";
    } else {
      std::filesystem::remove(file);
    }
  }
  void kill_engine() {
    const pid_t engine = engine_pid();
    BOOST_REQUIRE(engine != 0);
    ::kill(engine, SIGKILL);
    BOOST_REQUIRE(eventually([&] { return engine_pid() != engine; }));
  }
  std::string generate(WireClient& peer, const wire::LeaseGrant& lease) {
    return peer.wait(peer.generate(lease, "alpha", 1)).result<wire::GenerateResult>().text.value();
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_recovery, RecoveryFixture)

BOOST_AUTO_TEST_CASE(an_engine_that_answers_as_before_serves_again) {
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  wait_recorded();
  kill_engine();
  BOOST_TEST(generate(peer, lease) == "1:alpha ");
  BOOST_TEST(log().find("known answer is right") != std::string::npos);
  BOOST_TEST(status().devices.at(0).engine.restarts == 1u);
}

BOOST_AUTO_TEST_CASE(an_engine_that_answers_otherwise_serves_nobody) {
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  wait_recorded();
  be_wrong(true);
  kill_engine();
  const auto id = peer.generate(lease, "alpha", 1);
  BOOST_REQUIRE(eventually(
      [&] { return log().find("its known answer is another one") != std::string::npos; }));
  be_wrong(false);
  BOOST_TEST(peer.wait(id).result<wire::GenerateResult>().text.value() == "1:alpha ");
}

BOOST_AUTO_TEST_CASE(a_device_whose_answers_stay_wrong_fails) {
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  wait_recorded();
  be_wrong(true);
  kill_engine();
  BOOST_TEST((peer.wait(peer.generate(lease, "alpha", 1)).error().code == Code::device));
  BOOST_TEST(status().devices.at(0).state == "failed");
}

BOOST_AUTO_TEST_CASE(a_user_does_not_wait_for_a_recording) {
  model("slow", R"({"token_ms": 20})", "auto_unload = false");
  start();
  auto peer = client();
  const auto lease = peer.acquire("slow");
  // Again and again while the recording wants to run, which takes longer than a generation.
  for (int i = 0; i < 5; ++i) BOOST_TEST(generate(peer, lease) == "1:alpha ");
  BOOST_REQUIRE(
      eventually([&] { return log().find("known answer recorded") != std::string::npos; }));
}

BOOST_AUTO_TEST_CASE(a_request_that_was_there_at_two_losses_is_not_to_be_sent_again) {
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  const auto other = peer.generate(lease, "hang", 1);
  const auto first = peer.wait(peer.generate(lease, "crash", 1)).error();
  BOOST_TEST((first.code == Code::engine_lost));
  BOOST_TEST(first.retryable);
  BOOST_TEST(peer.wait(other).error().retryable);
  const auto second = peer.wait(peer.generate(lease, "crash", 1)).error();
  BOOST_TEST((second.code == Code::engine_lost));
  BOOST_TEST(!second.retryable);
}

BOOST_AUTO_TEST_SUITE_END()

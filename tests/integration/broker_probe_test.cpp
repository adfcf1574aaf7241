// The probe's own watch, with a limit that a test can wait for.
#include "broker/probe.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "support/daemon_fixture.hpp"
#include "wire/engine_messages.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using broker::EngineAnswer;

namespace {

struct ProbeFixture : DaemonFixture {
  broker::asio::io_context io{1};
  broker::DaemonClock clock;
  broker::Log log{broker::LogLevel::error};
  broker::Probe probe{io, clock, log, path("bin/gpumodel-engine"), std::chrono::milliseconds(200)};

  // Runs the loop until `done`; false where kPatience passes first.
  bool run_until(const bool& done) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!done && std::chrono::steady_clock::now() < deadline) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(50));
    }
    return done;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(broker_probe, ProbeFixture)

BOOST_AUTO_TEST_CASE(a_probe_that_hangs_is_killed_and_replaced_though_it_answers_others) {
  write_fake("hangs", R"({"inspect_ms": 600000})");
  write_fake("good", "{}");
  bool lost = false, back = false, answered = false;
  probe.on_restart([&] { back = true; });
  probe.request("inspect", wire::InspectParams{path("models/hangs")},
                [&](const EngineAnswer& answer) {
                  BOOST_REQUIRE(answer.error.has_value());
                  BOOST_TEST((answer.error->code == wire::Code::engine_lost));
                  BOOST_TEST(answer.error->retryable);
                  lost = true;
                });
  std::function<void()> ask_on = [&] {
    probe.request("devices", wire::Empty{}, [&](const EngineAnswer&) {
      if (!lost) ask_on();
    });
  };
  ask_on();
  BOOST_TEST(run_until(lost));
  // Until the back-off is over, requests are answered at once.
  bool refused = false;
  probe.request("devices", wire::Empty{},
                [&](const EngineAnswer& answer) { refused = answer.error.has_value(); });
  BOOST_TEST(run_until(refused));
  BOOST_TEST(run_until(back));
  probe.request("inspect", wire::InspectParams{path("models/good")},
                [&](const EngineAnswer& answer) {
                  BOOST_REQUIRE(!answer.error.has_value());
                  BOOST_TEST(wire::decode<wire::InspectResult>(*answer.result).architecture ==
                             "FakeForCausalLM");
                  answered = true;
                });
  BOOST_TEST(run_until(answered));
}

BOOST_AUTO_TEST_SUITE_END()

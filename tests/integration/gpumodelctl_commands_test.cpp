// gpumodelctl as the parent of a command: leases and yields that last as long as it, signals, what
// is left when the daemon goes.
#include <signal.h>

#include "ctl_daemon.hpp"

using namespace gpumodel::test;

BOOST_AUTO_TEST_SUITE(gpumodelctl_commands)

BOOST_AUTO_TEST_CASE(a_command_runs_while_its_models_are_leased) {
  CtlDaemon daemon({});
  const Finished done = daemon.run_tool(
      {"lease", "a", "b", "--", "sh", "-c", "cat; echo \"$GPUMODEL_SOCKET\"; exit 7"}, "input\n");
  BOOST_TEST(done.exit_code == 7);
  BOOST_TEST(done.out == "input\n" + daemon.socket() + "\n");
  BOOST_TEST((daemon.calls() ==
              std::vector<std::string>{"lease.acquire", "lease.release", "lease.release"}));
}

BOOST_AUTO_TEST_CASE(a_command_that_cannot_start_or_dies_by_a_signal_says_so) {
  CtlDaemon daemon({}, 2);
  Finished done = daemon.run_tool({"lease", "a", "--", "/nonexistent/program"});
  BOOST_TEST(done.exit_code == 127);
  BOOST_TEST(has(done.err, "cannot start /nonexistent/program: No such file"));
  BOOST_TEST(daemon.called("lease.release"));
  done = daemon.run_tool({"lease", "a", "--", "sh", "-c", "kill -TERM $$"});
  BOOST_TEST(done.exit_code == 128 + SIGTERM);
}

BOOST_AUTO_TEST_CASE(signals_are_passed_on_to_the_command) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    CtlDaemon daemon({});
    const std::string script =
        "trap 'echo got it; exit 9' TERM INT HUP USR1; echo ready; "
        "while :; do sleep 0.05; done";
    Process process(daemon.command({"lease", "a", "--", "sh", "-c", script}), daemon.environment());
    process.wait_for_output("ready");
    process.signal(number);
    const Finished done = process.finish();
    BOOST_TEST(done.exit_code == 9);
    BOOST_TEST(has(done.out, "got it"));
    BOOST_TEST(daemon.called("lease.release"));
  }
}

BOOST_AUTO_TEST_CASE(a_command_starts_with_the_signals_that_we_had) {
  CtlDaemon daemon({});
  const Finished done =
      daemon.run_tool({"lease", "a", "--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"});
  const Finished plain = run({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"});
  BOOST_TEST(done.out == plain.out);
}

BOOST_AUTO_TEST_CASE(a_lost_lease_is_told_and_the_command_goes_on) {
  CtlDaemon daemon({});
  daemon.then("lease.acquire",
              packed({2, "lease.lost", json::array({{{"lease", 8}, {"reason", "noon"}}})}));
  const Finished done = daemon.run_tool({"lease", "a", "b", "--", "sleep", "0.3"});
  BOOST_TEST(done.exit_code == 0);
  BOOST_TEST(has(done.err, "the lease on b was revoked"));
  BOOST_TEST((daemon.calls() == std::vector<std::string>{"lease.acquire", "lease.release"}));
}

BOOST_AUTO_TEST_CASE(a_daemon_that_goes_leaves_the_command_alone) {
  FakeDaemon fake([](Connection& c) { c.greet_and_grant(); });
  const Finished done = run({program("gpumodelctl"), "--socket", fake.path(), "lease", "a", "--",
                             "sh", "-c", "sleep 0.3; exit 4"});
  BOOST_TEST(done.exit_code == 4);
  BOOST_TEST(has(done.err, "the daemon has gone"));
}

BOOST_AUTO_TEST_CASE(a_yield_lasts_as_long_as_its_command) {
  json params;
  CtlDaemon daemon(
      {{"yield",
        [&](const json& given) {
          params = given;
          return json{{"yield", 3}, {"device", "cpu"}, {"bytes", 1 << 30}, {"until_ms", nullptr}};
        }},
       {"yield.end", always(json::object())}});
  const Finished done = daemon.run_tool(
      {"yield", "--device", "cpu", "--bytes", "1G", "--wait", "2", "--", "sh", "-c", "exit 6"});
  BOOST_TEST(done.exit_code == 6);
  BOOST_TEST((params ==
              json{{"device", "cpu"}, {"bytes", 1 << 30}, {"for_ms", nullptr}, {"wait_ms", 2000}}));
  BOOST_TEST((daemon.calls() == std::vector<std::string>{"yield", "yield.end"}));
}

BOOST_AUTO_TEST_CASE(a_yield_that_is_refused_starts_nothing) {
  CtlDaemon daemon({{"yield", refuses(-43, "busy")}});
  const Finished done =
      daemon.run_tool({"yield", "--device", "cpu", "--bytes", "1G", "--", "echo", "started"});
  BOOST_TEST(done.exit_code == 5);
  BOOST_TEST(done.out.empty());
}

BOOST_AUTO_TEST_CASE(a_yield_for_a_time_returns_and_one_without_waits_for_an_interrupt) {
  json for_ms;
  CtlDaemon daemon({{"yield",
                     [&](const json& given) {
                       for_ms = given.at("for_ms");
                       return json{{"yield", 3},
                                   {"device", "cpu"},
                                   {"bytes", 1 << 30},
                                   {"until_ms", for_ms.is_null() ? json() : json(1767225600000)}};
                     }},
                    {"yield.end", always(json::object())}},
                   2);
  const Finished done =
      daemon.run_tool({"yield", "--device", "cpu", "--bytes", "1G", "--for", "2h"});
  BOOST_TEST(done.exit_code == 0);
  BOOST_TEST(done.out == "1.00 GiB of cpu are free until 2026-01-01 00:00:00\n");
  BOOST_TEST(for_ms == 7'200'000);
  BOOST_TEST(!daemon.called("yield.end"));
  Process held(daemon.command({"yield", "--device", "cpu", "--bytes", "1G"}), daemon.environment());
  held.wait_for_output("until this is interrupted");
  held.signal(SIGINT);
  BOOST_TEST(held.finish().exit_code == 0);
  BOOST_TEST(daemon.called("yield.end"));
}

BOOST_AUTO_TEST_CASE(a_prefetch_may_keep_its_connection) {
  const json answer = {{"models", {{{"model", "a"}, {"residency", "disk"}, {"action", "load"}}}}};
  CtlDaemon daemon({{"prefetch", always(answer)}}, 2);
  const Finished done = daemon.run_tool({"prefetch", "a", "--hold", "0.2"});
  BOOST_TEST(done.exit_code == 0);
  BOOST_TEST(has(done.out, "load to the device"));
  Process held(daemon.command({"prefetch", "a", "--hold", "1000", "--json"}), daemon.environment());
  held.wait_for_output(answer.dump().substr(0, 8));
  held.signal(SIGINT);
  BOOST_TEST(held.finish().exit_code == 130);
}

BOOST_AUTO_TEST_SUITE_END()

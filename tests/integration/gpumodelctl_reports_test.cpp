// gpumodelctl as a program: exit codes, and what it asks for and shows. The real daemon is in
// gpumodelctl_test.cpp.
#include <signal.h>

#include <sstream>

#include "ctl_daemon.hpp"

using namespace gpumodel::test;

BOOST_AUTO_TEST_SUITE(gpumodelctl_reports)

BOOST_AUTO_TEST_CASE(each_failure_has_its_exit_code) {
  const std::vector<std::tuple<int, std::string, int>> kFailures = {
      {-24, "denied", 4}, {-43, "busy", 5}, {-40, "no_model", 1}, {-26, "draining", 1}};
  for (const auto& [code, name, exit] : kFailures) {
    CtlDaemon daemon({{"unload", refuses(code, name)}}, 2);
    const Finished plain = daemon.run_tool({"unload", "concept"});
    BOOST_TEST(plain.exit_code == exit);
    BOOST_TEST(plain.err == "gpumodelctl: fake: " + name + "\n");
    BOOST_TEST(plain.out.empty());
    const Finished programs = daemon.run_tool({"unload", "concept", "--json"});
    BOOST_TEST(programs.exit_code == exit);
    BOOST_TEST(json::parse(programs.out).at("error").at("name") == name);
  }
  const auto tool = [](std::vector<std::string> words) {
    words.insert(words.begin(), program("gpumodelctl"));
    return run(words, "", {{"GPUMODEL_SOCKET", "/nonexistent/api.sock"}}).exit_code;
  };
  BOOST_TEST(tool({"status"}) == 3);
  for (const std::vector<std::string>& usage :
       {std::vector<std::string>{},
        {"nonsense"},
        {"plan"},
        {"unload"},
        {"pin"},
        {"revoke", "x"},
        {"yield", "--device", "cpu", "--bytes", "many"},
        {"yield", "--bytes", "1G"},
        {"yield", "--device", "cpu", "--bytes", "1G", "--for", "1h", "--", "true"},
        {"lease", "a"},
        {"lease", "--", "true"},
        {"events", "--limit", "0"},
        {"status", "--watch", "-1"},
        {"prefetch"}})
    BOOST_TEST(tool(usage) == 2);
}

BOOST_AUTO_TEST_CASE(reports_say_what_the_daemon_said) {
  const json plan = {
      {"fits", true},
      {"error", nullptr},
      {"missing_bytes", 0},
      {"total_ms", 7},
      {"steps",
       {{{"action", "load"}, {"model", "a"}, {"device", "cpu"}, {"bytes", 2048}, {"ms", 7}}}}};
  const json why = {
      {"model", "a"}, {"state", "ready"}, {"reason", "leased"}, {"decisions", json::array()}};
  CtlDaemon daemon({{"plan",
                     [&](const json& params) {
                       BOOST_TEST(params == (json{{"models", {"a", "b"}}}));
                       return plan;
                     }},
                    {"why", always(why)}},
                   4);
  Finished done = daemon.run_tool({"plan", "a", "b"});
  BOOST_TEST(done.exit_code == 0);
  BOOST_TEST(has(done.out, "a, b: fits, in about 7 ms"));
  done = daemon.run_tool({"plan", "a", "b", "--json"});
  BOOST_TEST(json::parse(done.out) == plan);
  done = daemon.run_tool({"why", "a"});
  BOOST_TEST(done.out == "a is ready: leased\n");
  done = daemon.run_tool({"why", "--json", "a"});
  BOOST_TEST(json::parse(done.out) == why);
}

BOOST_AUTO_TEST_CASE(administration_asks_for_what_was_said) {
  std::vector<std::pair<std::string, json>> asked;
  const auto answers = [&](const char* method, json answer) {
    return std::pair<const std::string, CtlDaemon::Answer>(
        method, [&asked, method, answer](const json& params) {
          asked.emplace_back(method, params);
          return answer;
        });
  };
  CtlDaemon daemon(
      {answers("unload", {{"outcome", "freed"}, {"freed_bytes", 1048576}, {"unload_ms", 3}}),
       answers("pin", {{"model", "a"}, {"pinned", true}}), answers("drain", {{"draining", true}}),
       answers("revoke", {{"lease", 12}, {"model", "a"}, {"user", "bob"}, {"pid", 9}})},
      6);
  BOOST_TEST(daemon.run_tool({"unload", "a", "--force"}).out ==
             "a is unloaded: 1.00 MiB free again, in 3 ms\n");
  BOOST_TEST(has(daemon.run_tool({"pin", "a"}).out, "a is pinned"));
  daemon.run_tool({"unpin", "a"});
  BOOST_TEST(has(daemon.run_tool({"drain", "--device", "cuda:0"}).out, "cuda:0 drains"));
  daemon.run_tool({"drain", "--off"});
  BOOST_TEST(has(daemon.run_tool({"revoke", "12", "--reason", "noon"}).out,
                 "lease 12 on a of user bob (pid 9) is revoked"));
  const std::vector<std::pair<std::string, json>> expected = {
      {"unload", {{"model", "a"}, {"force", true}}},
      {"pin", {{"model", "a"}, {"on", true}}},
      {"pin", {{"model", "a"}, {"on", false}}},
      {"drain", {{"device", "cuda:0"}, {"on", true}}},
      {"drain", {{"device", nullptr}, {"on", false}}},
      {"revoke", {{"lease", 12}, {"reason", "noon"}}}};
  BOOST_TEST((asked == expected));
}

BOOST_AUTO_TEST_CASE(a_busy_unload_names_the_holders) {
  CtlDaemon daemon(
      {{"unload",
        refuses(-43, "busy",
                {{"leases",
                  {{{"lease", 12}, {"user", "alice"}, {"pid", 99}, {"app", "pipe\x1b[2J"}}}}})}});
  const Finished done = daemon.run_tool({"unload", "a"});
  BOOST_TEST(done.exit_code == 5);
  BOOST_TEST(has(done.err, "lease 12: user alice, pid 99, pipe?[2J"));
}

BOOST_AUTO_TEST_CASE(events_are_followed_without_gaps_or_repeats) {
  std::vector<json> asked;
  CtlDaemon daemon({{"events", [&](const json& params) {
                       asked.push_back(params);
                       const int after = params.at("after_seq");
                       return after == 0 ? json{{"events", {event(1), event(2)}}, {"next_seq", 3}}
                                         : json{{"events", {event(3), event(4), event(5)}},
                                                {"next_seq", 6}};
                     }}});
  daemon.then("events", notification(event(2)) + notification(event(5)) + notification(event(5)));
  Process process(daemon.command({"events", "--follow", "--json", "--limit", "7"}),
                  daemon.environment());
  process.wait_for_output("\"seq\":5");
  process.signal(SIGINT);
  const Finished done = process.finish();
  BOOST_TEST(done.exit_code == 0);
  std::vector<int> seqs;
  std::istringstream lines(done.out);
  for (std::string line; std::getline(lines, line);) seqs.push_back(json::parse(line).at("seq"));
  BOOST_TEST((seqs == std::vector<int>{1, 2, 3, 4, 5}));
  BOOST_TEST((asked == std::vector<json>{{{"after_seq", 0}, {"limit", 7}},
                                         {{"after_seq", 2}, {"limit", 1000}}}));
}

BOOST_AUTO_TEST_SUITE_END()

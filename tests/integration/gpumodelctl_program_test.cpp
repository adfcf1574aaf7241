// gpumodelctl as a program: exit codes, commands that it runs, signals, terminals and pipes. A
// scripted daemon answers, so that what it is told is exact; the real one is in
// gpumodelctl_test.cpp.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <map>
#include <mutex>

#include "support/fake_daemon.hpp"
#include "support/process.hpp"
#include "support/testdata.hpp"

using namespace gpumodel::test;

namespace {

struct Refused {
  int code;
  std::string name;
  json detail;
};

// Serves one gpumodelctl after the other: what is called by JSON from `answers`, leases at once.
class Daemon {
 public:
  using Answer = std::function<json(const json& params)>;

  explicit Daemon(std::map<std::string, Answer> answers, int connections = 1)
      : answers_(std::move(answers)),
        fake_(std::vector<FakeDaemon::Script>(static_cast<std::size_t>(connections),
                                              [this](Connection& c) { serve(c); })) {}

  Finished run_tool(std::vector<std::string> words, const std::string& input = "") const {
    return run(command(std::move(words)), input, environment());
  }
  std::vector<std::string> command(std::vector<std::string> words) const {
    words.insert(words.begin(), program("gpumodelctl"));
    return words;
  }
  Environment environment() const { return {{"GPUMODEL_SOCKET", fake_.path()}, {"TZ", "UTC0"}}; }
  const std::string& socket() const { return fake_.path(); }

  // The methods in the order in which they came; call_json as what it called.
  std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  bool called(const std::string& method) const {
    const auto all = calls();
    return std::find(all.begin(), all.end(), method) != all.end();
  }
  // Sent right after the answer to the method.
  void then(const std::string& method, const std::string& bytes) { after_[method] = bytes; }

 private:
  void note(const std::string& method) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(method);
  }

  void serve(Connection& c) {
    c.greet({"events", "lease.wait_foreign", "prefetch"});
    for (;;) {
      const Incoming request = c.next();
      if (request.method == "call_json") {
        by_json(c, request);
        continue;
      }
      note(request.method);
      if (request.method == "lease.acquire") c.grant(request);
      if (request.method == "lease.release") c.release(request);
      if (request.method == "events.subscribe") c.respond(request, {{"next_seq", 1}});
      c.send(after_[request.method]);
    }
  }

  void by_json(Connection& c, const Incoming& request) {
    const std::string method = request.params.at("method");
    note(method);
    try {
      const json params = json::parse(request.params.value("params", "{}"));
      c.respond(request, {{"result", answers_.at(method)(params).dump()}});
    } catch (const Refused& refused) {
      c.fail(request, refused.code, refused.name, refused.detail);
    }
    c.send(after_[method]);
  }

  std::map<std::string, Answer> answers_;
  std::map<std::string, std::string> after_;
  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
  FakeDaemon fake_;  // last: its thread uses the others
};

Daemon::Answer always(const json& answer) {
  return [answer](const json&) { return answer; };
}
Daemon::Answer refuses(int code, const std::string& name, const json& detail = nullptr) {
  return [=](const json&) -> json { throw Refused{code, name, detail}; };
}

json event(int seq, const char* type = "loaded") {
  return {{"seq", seq},       {"time_ms", 1767225600000}, {"type", type},  {"model", "concept"},
          {"device", "cpu"},  {"user", nullptr},          {"bytes", 1024}, {"ms", 5},
          {"reason", nullptr}};
}

std::string notification(const json& params) { return packed({2, "event", json::array({params})}); }

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const json kEmptyStatus = {{"schema", 1}, {"daemon", {{"version", "1.0.0"}, {"pid", 1}}}};

// A terminal of 24 rows that a program runs on.
class Terminal {
 public:
  Terminal(std::vector<std::string> words, const Environment& environment) {
    master_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    BOOST_REQUIRE(master_ >= 0);
    BOOST_REQUIRE(grantpt(master_) == 0);
    BOOST_REQUIRE(unlockpt(master_) == 0);
    const std::string slave = ptsname(master_);
    for (const auto& [name, value] : environment) words.insert(words.begin(), name + "=" + value);
    words.insert(words.begin(), {"env", "TERM=xterm"});
    pid_ = fork();
    if (pid_ != 0) return;
    setsid();
    const int fd = open(slave.c_str(), O_RDWR);  // the controlling terminal now
    for (int standard = 0; standard < 3; ++standard) dup2(fd, standard);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  ~Terminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(master_);
  }

  void type(const std::string& keys) {
    BOOST_REQUIRE(write(master_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  }
  // Reads until the output holds `text`, or to the end for "".
  void read_until(const std::string& text) {
    while (text.empty() || !has(output_, text)) {
      pollfd entry{master_, POLLIN, 0};
      BOOST_REQUIRE_MESSAGE(poll(&entry, 1, 30'000) > 0, "silence after " << output_);
      char buffer[4096];
      const ssize_t size = read(master_, buffer, sizeof buffer);
      if (size <= 0) break;  // EIO: the other side has closed
      output_.append(buffer, static_cast<std::size_t>(size));
    }
  }
  int finish() {
    read_until("");
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  const std::string& output() const { return output_; }
  bool echoes() const {
    termios keys{};
    tcgetattr(master_, &keys);
    return (keys.c_lflag & ECHO) != 0;
  }

 private:
  int master_ = -1;
  pid_t pid_ = -1;
  std::string output_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(gpumodelctl_program)

BOOST_AUTO_TEST_CASE(each_failure_has_its_exit_code) {
  const std::vector<std::tuple<int, std::string, int>> kFailures = {
      {-24, "denied", 4}, {-43, "busy", 5}, {-40, "no_model", 1}, {-26, "draining", 1}};
  for (const auto& [code, name, exit] : kFailures) {
    Daemon daemon({{"unload", refuses(code, name)}}, 2);
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
  Daemon daemon({{"plan",
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
    return std::pair<const std::string, Daemon::Answer>(
        method, [&asked, method, answer](const json& params) {
          asked.emplace_back(method, params);
          return answer;
        });
  };
  Daemon daemon(
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
  Daemon daemon(
      {{"unload",
        refuses(-43, "busy",
                {{"leases",
                  {{{"lease", 12}, {"user", "alice"}, {"pid", 99}, {"app", "pipe\x1b[2J"}}}}})}});
  const Finished done = daemon.run_tool({"unload", "a"});
  BOOST_TEST(done.exit_code == 5);
  BOOST_TEST(has(done.err, "lease 12: user alice, pid 99, pipe?[2J"));
}

BOOST_AUTO_TEST_CASE(a_command_runs_while_its_models_are_leased) {
  Daemon daemon({});
  const Finished done = daemon.run_tool(
      {"lease", "a", "b", "--", "sh", "-c", "cat; echo \"$GPUMODEL_SOCKET\"; exit 7"}, "input\n");
  BOOST_TEST(done.exit_code == 7);
  BOOST_TEST(done.out == "input\n" + daemon.socket() + "\n");
  BOOST_TEST((daemon.calls() ==
              std::vector<std::string>{"lease.acquire", "lease.release", "lease.release"}));
}

BOOST_AUTO_TEST_CASE(a_command_that_cannot_start_or_dies_by_a_signal_says_so) {
  Daemon daemon({}, 2);
  Finished done = daemon.run_tool({"lease", "a", "--", "/nonexistent/program"});
  BOOST_TEST(done.exit_code == 127);
  BOOST_TEST(has(done.err, "cannot start /nonexistent/program: No such file"));
  BOOST_TEST(daemon.called("lease.release"));
  done = daemon.run_tool({"lease", "a", "--", "sh", "-c", "kill -TERM $$"});
  BOOST_TEST(done.exit_code == 128 + SIGTERM);
}

BOOST_AUTO_TEST_CASE(signals_are_passed_on_to_the_command) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    Daemon daemon({});
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
  Daemon daemon({});
  const Finished done =
      daemon.run_tool({"lease", "a", "--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"});
  const Finished plain = run({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"});
  BOOST_TEST(done.out == plain.out);
}

BOOST_AUTO_TEST_CASE(a_lost_lease_is_told_and_the_command_goes_on) {
  Daemon daemon({});
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
  Daemon daemon(
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
  Daemon daemon({{"yield", refuses(-43, "busy")}});
  const Finished done =
      daemon.run_tool({"yield", "--device", "cpu", "--bytes", "1G", "--", "echo", "started"});
  BOOST_TEST(done.exit_code == 5);
  BOOST_TEST(done.out.empty());
}

BOOST_AUTO_TEST_CASE(a_yield_for_a_time_returns_and_one_without_waits_for_an_interrupt) {
  json for_ms;
  Daemon daemon({{"yield",
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
  Daemon daemon({{"prefetch", always(answer)}}, 2);
  const Finished done = daemon.run_tool({"prefetch", "a", "--hold", "0.2"});
  BOOST_TEST(done.exit_code == 0);
  BOOST_TEST(has(done.out, "load to the device"));
  Process held(daemon.command({"prefetch", "a", "--hold", "1000", "--json"}), daemon.environment());
  held.wait_for_output(answer.dump().substr(0, 8));
  held.signal(SIGINT);
  BOOST_TEST(held.finish().exit_code == 130);
}

BOOST_AUTO_TEST_CASE(events_are_followed_without_gaps_or_repeats) {
  std::vector<json> asked;
  Daemon daemon({{"events", [&](const json& params) {
                    asked.push_back(params);
                    const int after = params.at("after_seq");
                    return after == 0
                               ? json{{"events", {event(1), event(2)}}, {"next_seq", 3}}
                               : json{{"events", {event(3), event(4), event(5)}}, {"next_seq", 6}};
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

BOOST_AUTO_TEST_CASE(a_closed_pipe_ends_what_goes_on) {
  for (const std::string command : {"events --follow", "status --watch 0.05"}) {
    Daemon daemon({{"events", always({{"events", {event(1)}}, {"next_seq", 2}})},
                   {"status", always(kEmptyStatus)}});
    const Finished done =
        run({"bash", "-c", "\"$0\" " + command + " | head -n 1; exit ${PIPESTATUS[0]}",
             program("gpumodelctl")},
            "", daemon.environment());
    BOOST_TEST(done.exit_code == 0, command << ": " << done.exit_code);
    BOOST_TEST(done.err.empty(), done.err);
    BOOST_TEST(!done.out.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_watched_status_overwrites_itself_and_leaves_no_trace) {
  Daemon daemon({{"status", always(kEmptyStatus)}});
  Terminal terminal(daemon.command({"status", "--watch", "0.05"}), daemon.environment());
  for (int frames = 0; frames < 3; ++frames) terminal.read_until("gpumodeld 1.0.0");
  BOOST_TEST(!terminal.echoes());
  terminal.type("x");  // means nothing
  terminal.type("q");
  BOOST_TEST(terminal.finish() == 0);
  const std::string& output = terminal.output();
  BOOST_TEST(has(output, "\033[?1049h"));
  BOOST_TEST(!has(output, "\033[2J"));
  BOOST_TEST(output.rfind("\033[?1049l") > output.rfind("gpumodeld 1.0.0"));
  BOOST_TEST(output.substr(output.size() - 8) == "\033[?1049l");
  BOOST_TEST(terminal.echoes());
}

BOOST_AUTO_TEST_CASE(ctrl_c_ends_a_watched_status) {
  Daemon daemon({{"status", always(kEmptyStatus)}});
  Terminal terminal(daemon.command({"status", "--watch", "1000"}), daemon.environment());
  terminal.read_until("gpumodeld 1.0.0");
  terminal.type("\003");
  BOOST_TEST(terminal.finish() == 0);
  BOOST_TEST(has(terminal.output(), "\033[?1049l"));
}

BOOST_AUTO_TEST_CASE(colours_are_for_terminals_that_want_them) {
  const json models = {{"models", {{{"name", "a"}, {"state", "ready"}}}}};
  Daemon daemon({{"models", always(models)}}, 3);
  BOOST_TEST(!has(daemon.run_tool({"models"}).out, "\033["));
  Terminal coloured(daemon.command({"models"}), daemon.environment());
  BOOST_TEST(coloured.finish() == 0);
  BOOST_TEST(has(coloured.output(), "\033[32mready"));
  auto environment = daemon.environment();
  environment.emplace_back("NO_COLOR", "1");
  Terminal plain(daemon.command({"models"}), environment);
  BOOST_TEST(plain.finish() == 0);
  BOOST_TEST(!has(plain.output(), "\033["));
}

BOOST_AUTO_TEST_CASE(bash_completes_commands_options_and_names) {
  const json models = {
      {"models", {{{"name", "concept"}}, {{"name", "control"}}, {{"name", "other"}}}}};
  const json status = {{"devices", {{{"name", "cpu"}}}}, {"leases", {{{"id", 12}}}}};
  Daemon daemon({{"models", always(models)}, {"status", always(status)}}, 3);
  const auto completions = [&](const std::string& words) {
    const std::string script = "source " + source_path("tools/gpumodelctl/completion.bash") +
                               "; COMP_WORDS=(\"$0\" " + words +
                               "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); " +
                               "_gpumodelctl; printf '%s\\n' \"${COMPREPLY[@]}\"";
    const Finished done =
        run({"bash", "--norc", "-c", script, program("gpumodelctl")}, "", daemon.environment());
    BOOST_TEST(done.exit_code == 0, done.err);
    return done.out;
  };
  BOOST_TEST(completions("sta") == "status\n");
  BOOST_TEST(completions("unload --fo") == "--force\n");
  BOOST_TEST(completions("plan con") == "concept\ncontrol\n");
  BOOST_TEST(completions("yield --device ''") == "cpu\n");
  BOOST_TEST(completions("revoke ''") == "12\n");
  BOOST_TEST(has(completions("lease concept -- ech"), "echo\n"));
  BOOST_TEST(completions("--socket /nonexistent plan c") ==
             "\n");  // no daemon: nothing, and no noise
  const Finished registered = run(
      {"bash", "--norc", "-c",
       "source " + source_path("tools/gpumodelctl/completion.bash") + "; complete -p gpumodelctl"});
  BOOST_TEST(has(registered.out, "-F _gpumodelctl gpumodelctl"));
}

BOOST_AUTO_TEST_SUITE_END()

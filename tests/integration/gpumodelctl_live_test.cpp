// gpumodelctl top on a terminal: keys, sizes, signals, and what is left behind; and into pipes.
#include "ctl_daemon.hpp"
#include "ctl_terminal.hpp"

using namespace gpumodel::test;

namespace {

constexpr const char* kEnter = "\033[?1049h";
constexpr const char* kLeave = "\033[?1049l";

json lease(int id, const char* user, int pid, const char* app, int age_ms, int tokens) {
  return {{"id", id},        {"model", "concept"},
          {"state", "held"}, {"uid", 1000},
          {"user", user},    {"pid", pid},
          {"app", app},      {"age_ms", age_ms},
          {"idle_ms", 0},    {"output_tokens", tokens}};
}

json two_programs() {
  json status = kEmptyStatus;
  status["devices"] = {{{"name", "cpu"},
                        {"state", "ok"},
                        {"capacity_bytes", 1000},
                        {"used_bytes", 400},
                        {"free_bytes", 600}}};
  status["leases"] = {lease(1, "zoe", 101, "first-program", 9000, 5),
                      lease(2, "alice", 102, "second-program", 1000, 500)};
  return status;
}

struct Live {
  CtlDaemon daemon{{{"status", always(two_programs())}}, 2};

  Terminal top(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), "top");
    return Terminal(daemon.command(std::move(more)), daemon.environment());
  }
};

// Of the last frame.
bool first_is_above(const std::string& output) {
  const std::string last = output.substr(output.rfind("\033[H"));
  return last.find("first-program") < last.find("second-program");
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(gpumodelctl_live, Live)

BOOST_AUTO_TEST_CASE(keys_sort_and_q_leaves_no_trace) {
  Terminal terminal = top({"--interval", "1000"});
  terminal.read_until("\033[J");
  BOOST_TEST(has(terminal.output(), kEnter));
  BOOST_TEST(!terminal.echoes());
  BOOST_TEST(first_is_above(terminal.output()));  // the older one
  for (const auto& [key, first] :
       {std::pair{"t", false}, {"R", true}, {"u", true}, {"R", false}, {"p", true}}) {
    terminal.forget();
    terminal.type(key);  // answers at once, not with the next frame
    terminal.read_until("\033[J");
    BOOST_TEST(first_is_above(terminal.output()) == first, "after " << key);
  }
  terminal.type("\033[A");  // an arrow, and no key of ours
  terminal.type("q");
  BOOST_TEST(terminal.finish() == 0);
  BOOST_TEST(terminal.output().substr(terminal.output().size() - 8) == kLeave);
  BOOST_TEST(terminal.echoes());
}

BOOST_AUTO_TEST_CASE(signals_restore_the_terminal) {
  for (const int number : {SIGINT, SIGTERM}) {
    Live live;
    Terminal terminal = live.top({"--interval", "1000"});
    terminal.read_until("\033[J");
    terminal.signal(number);
    BOOST_TEST(terminal.finish() == 0);
    BOOST_TEST(terminal.output().substr(terminal.output().size() - 8) == kLeave);
    BOOST_TEST(terminal.echoes());
  }
}

// The shell stops and continues it as it does any program.
BOOST_AUTO_TEST_CASE(a_stopped_top_gives_the_terminal_back_and_takes_it_again) {
  auto environment = daemon.environment();
  environment.emplace_back("PS1", "ready> ");
  Terminal terminal({"bash", "--norc", "-i"}, environment);
  terminal.read_until("ready> ");
  terminal.type("'" + program("gpumodelctl") + "' top --interval 1000\n");
  terminal.read_until("\033[J");
  terminal.forget();
  terminal.type("\032");  // Ctrl-Z
  terminal.read_until("Stopped");
  BOOST_TEST(terminal.output().find(kLeave) < terminal.output().find("Stopped"));
  terminal.type("stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon | sort | tr '\\n' +; echo\n");
  terminal.read_until("echo+icanon+");
  terminal.forget();
  terminal.type("fg\n");
  terminal.read_until("\033[J");
  BOOST_TEST(terminal.output().find(kEnter) < terminal.output().find("gpumodeld 1.0.0"));
  terminal.type("q");
  terminal.read_until("ready> ");
  BOOST_TEST(terminal.output().rfind(kLeave) > terminal.output().rfind("gpumodeld 1.0.0"));
  terminal.type("exit\n");
  BOOST_TEST(terminal.finish() == 0);
}

BOOST_AUTO_TEST_CASE(a_stop_that_nobody_can_catch_is_survived) {
  Terminal terminal = top({"--interval", "1000"});
  terminal.read_until("\033[J");
  terminal.signal(SIGSTOP);
  terminal.forget();
  terminal.signal(SIGCONT);
  terminal.read_until("\033[J");
  BOOST_TEST(has(terminal.output(), kEnter));
  terminal.type("q");
  BOOST_TEST(terminal.finish() == 0);
}

BOOST_AUTO_TEST_CASE(another_size_is_drawn_at_once) {
  Terminal terminal = top({"--interval", "1000"});
  terminal.read_until("\033[J");
  for (const unsigned short columns : {200, 60, 30}) {
    terminal.forget();
    terminal.resize(columns, 24);
    terminal.read_until("\033[J");
    const std::string& output = terminal.output();
    BOOST_TEST(has(output, "first-program") == (columns >= 60), columns << " columns: " << output);
  }
  terminal.type("q");
  BOOST_TEST(terminal.finish() == 0);
}

BOOST_AUTO_TEST_CASE(into_a_pipe_frames_follow_each_other_without_escapes) {
  Process process(daemon.command({"top", "--interval", "0.05"}), daemon.environment());
  for (int frames = 0; frames < 3; ++frames) process.wait_for_output("first-program");
  process.signal(SIGTERM);
  const Finished done = process.finish();
  BOOST_TEST(done.exit_code == 0);
  BOOST_TEST(!has(done.out, "\033"));
  BOOST_TEST(!has(done.out, "q quit"));
  Process objects(daemon.command({"top", "--interval", "0.05", "--json"}), daemon.environment());
  objects.wait_for_output("\n");
  objects.signal(SIGINT);
  const std::string line = objects.finish().out;
  BOOST_TEST(json::parse(line.substr(0, line.find('\n'))) == two_programs());
}

BOOST_AUTO_TEST_CASE(a_daemon_that_goes_is_told_on_a_terminal_as_it_was) {
  FakeDaemon fake([](Connection& c) {
    c.greet();
    c.respond(c.next(), {{"result", two_programs().dump()}});
    c.next();
    c.hang_up();
  });
  Terminal terminal({program("gpumodelctl"), "--socket", fake.path(), "top", "--interval", "0.05"},
                    {});
  BOOST_TEST(terminal.finish() == 1);
  BOOST_TEST(terminal.output().find("gpumodelctl: ") > terminal.output().rfind(kLeave));
  BOOST_TEST(terminal.echoes());
}

BOOST_AUTO_TEST_SUITE_END()

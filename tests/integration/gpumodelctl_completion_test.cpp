// What zsh and fish offer, and how long a shell waits for a daemon at most; bash is in
// gpumodelctl_terminal_test.cpp.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "ctl_daemon.hpp"
#include "ctl_terminal.hpp"
#include "support/testdata.hpp"

using namespace gpumodel::test;
namespace fs = std::filesystem;

namespace {

// Skips by name where the shell is not installed.
struct has_shell {
  std::string name;
  boost::test_tools::assertion_result operator()(boost::unit_test::test_unit_id) const {
    boost::test_tools::assertion_result found(
        run({"sh", "-c", "command -v " + name + " >/dev/null"}).exit_code == 0);
    found.message() << name << " is not installed";
    return found;
  }
};

const json kModels = {
    {"models", {{{"name", "concept"}}, {{"name", "control"}}, {{"name", "other"}}}}};
const json kNames = {{"devices", {{{"name", "cpu:0"}}}}, {"leases", {{{"id", 12}}}}};

struct Shell {
  Shell() {
    char name[] = "/tmp/gpumodelctl-shell-XXXXXX";
    home = mkdtemp(name);
  }
  ~Shell() { fs::remove_all(home); }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  Environment environment() const {
    Environment all = daemon.environment();
    all.emplace_back("HOME", home);
    all.emplace_back("PATH", fs::path(program("gpumodelctl")).parent_path().string() + ":" +
                                 std::getenv("PATH"));
    return all;
  }

  std::string home;
  CtlDaemon daemon{{{"models", always(kModels)}, {"status", always(kNames)}}, 4};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(gpumodelctl_completion, Shell)

BOOST_AUTO_TEST_CASE(fish_completes, *boost::unit_test::precondition(has_shell{"fish"})) {
  const auto offers = [&](const std::string& line) {
    const Finished done = run({"fish", "--no-config", "-c",
                               "source " + source_path("tools/gpumodelctl/completion.fish") +
                                   "; complete -C " + "'" + line + "'"},
                              "", environment());
    BOOST_TEST(done.err.empty(), done.err);
    return done.out;
  };
  BOOST_TEST(offers("gpumodelctl sta") == "status\n");
  BOOST_TEST(offers("gpumodelctl unload --fo") == "--force\n");
  BOOST_TEST(offers("gpumodelctl plan con") == "concept\ncontrol\n");
  BOOST_TEST(offers("gpumodelctl yield --device ") == "cpu:0\n");
  BOOST_TEST(offers("gpumodelctl revoke ") == "12\n");
  BOOST_TEST(has(offers("gpumodelctl lease concept -- gpumodelctl ren"), "render\n"));
  std::ofstream(home + "/messages.json") << "[]";
  BOOST_TEST(has(offers("gpumodelctl check " + home + "/mess"), home + "/messages.json"));
  BOOST_TEST(!has(offers("gpumodelctl --socket /nonexistent plan con"), "concept"));
}

// Typed at a real prompt; what stands there after the completion is what a widget of ours writes.
BOOST_AUTO_TEST_CASE(zsh_completes, *boost::unit_test::precondition(has_shell{"zsh"})) {
  std::ofstream(home + "/messages.json") << "[]";
  Terminal terminal({"zsh", "-f", "-i"}, environment());
  terminal.type(
      "PS1='ready> '; cd; autoload -Uz compinit; compinit -u -D; source " +
      source_path("tools/gpumodelctl/completion.zsh") +
      "; show() { print -r -- \"$BUFFER\" >~/line; BUFFER=; print -n 'wro''te' }; zle -N show; "
      "bindkey '^O' show; setopt no_auto_list no_beep\n");
  terminal.read_until("\033[Jready> ");
  const auto line_after = [&](const std::string& keys) {
    terminal.forget();
    terminal.type(keys + "\t\017");
    terminal.read_until("wrote");
    return read_file(home + "/line");
  };
  BOOST_TEST(line_after("gpumodelctl sta") == "gpumodelctl status \n");
  BOOST_TEST(line_after("gpumodelctl unload --fo") == "gpumodelctl unload --force \n");
  BOOST_TEST(line_after("gpumodelctl plan conc") == "gpumodelctl plan concept \n");
  BOOST_TEST(line_after("gpumodelctl plan c") == "gpumodelctl plan con\n");  // or control
  BOOST_TEST(line_after("gpumodelctl yield --device c") == "gpumodelctl yield --device cpu:0 \n");
  BOOST_TEST(line_after("gpumodelctl lease concept -- gpumodelctl ren") ==
             "gpumodelctl lease concept -- gpumodelctl render \n");
  BOOST_TEST(line_after("gpumodelctl check mess") == "gpumodelctl check messages.json \n");
}

// Packages put it where compinit finds it by its first line.
BOOST_AUTO_TEST_CASE(zsh_loads_it_as_a_function,
                     *boost::unit_test::precondition(has_shell{"zsh"})) {
  fs::create_directory(home + "/functions");
  fs::copy_file(source_path("tools/gpumodelctl/completion.zsh"), home + "/functions/_gpumodelctl");
  Terminal terminal({"zsh", "-f", "-i"}, environment());
  terminal.type(
      "PS1='ready> '; fpath=(~/functions $fpath); autoload -Uz compinit; compinit -u -D\n");
  terminal.read_until("\033[Jready> ");
  for (int twice = 0; twice < 2; ++twice) {  // the first time it is loaded, too
    terminal.forget();
    terminal.type("echo gpumodelctl; gpumodelctl unlo\t");
    terminal.read_until("unload");
    terminal.type("\025");  // Ctrl-U
  }
}

// A daemon that accepts and never answers, and one that answers hello alone: neither keeps a shell
// waiting for ever. How long is printed; how long it may be is decided by its own clock, and a busy
// machine decides nothing.
BOOST_AUTO_TEST_CASE(a_silent_daemon_is_not_waited_for) {
  const auto seconds = [](const std::string& socket) {
    const auto begin = std::chrono::steady_clock::now();
    const Finished done =
        run({program("gpumodelctl"), "complete", "--", "--socket", socket, "plan", ""});
    BOOST_TEST(done.exit_code == 0);
    BOOST_TEST(done.out.empty(), done.out);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  FakeDaemon never([](Connection& c) {
    c.next();
    c.closes();
  });
  FakeDaemon half([](Connection& c) {
    c.greet();
    c.next();
    c.next();  // the client's end
  });
  BOOST_TEST_MESSAGE("nobody " << seconds("/nonexistent") << " s, silent " << seconds(never.path())
                               << " s, hello alone " << seconds(half.path()) << " s");
}

BOOST_AUTO_TEST_SUITE_END()

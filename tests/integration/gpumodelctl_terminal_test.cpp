// gpumodelctl on terminals and pipes, and in a shell that completes.
#include "ctl_daemon.hpp"
#include "ctl_terminal.hpp"
#include "support/testdata.hpp"

using namespace gpumodel::test;

BOOST_AUTO_TEST_SUITE(gpumodelctl_terminal)

BOOST_AUTO_TEST_CASE(a_closed_pipe_ends_what_goes_on) {
  for (const std::string command : {"events --follow", "status --watch 0.05"}) {
    CtlDaemon daemon({{"events", always({{"events", {event(1)}}, {"next_seq", 2}})},
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
  CtlDaemon daemon({{"status", always(kEmptyStatus)}});
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
  CtlDaemon daemon({{"status", always(kEmptyStatus)}});
  Terminal terminal(daemon.command({"status", "--watch", "1000"}), daemon.environment());
  terminal.read_until("gpumodeld 1.0.0");
  terminal.type("\003");
  BOOST_TEST(terminal.finish() == 0);
  BOOST_TEST(has(terminal.output(), "\033[?1049l"));
}

BOOST_AUTO_TEST_CASE(colours_are_for_terminals_that_want_them) {
  const json models = {{"models", {{{"name", "a"}, {"state", "ready"}}}}};
  CtlDaemon daemon({{"models", always(models)}}, 3);
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
  CtlDaemon daemon({{"models", always(models)}, {"status", always(status)}}, 3);
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

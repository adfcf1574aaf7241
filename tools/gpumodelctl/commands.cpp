#include "gpumodelctl/commands.hpp"

#include <gpumodel.h>

#include <CLI/CLI.hpp>
#include <algorithm>

namespace gpumodelctl {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 no daemon, 4 denied, 5 busy or timed out, 130 "
    "interrupted.\n"
    "Environment: GPUMODEL_SOCKET, the daemon's socket where --socket is not given; NO_COLOR.";

}  // namespace

std::vector<Command> add_commands(CLI::App& app, Common& common) {
  app.require_subcommand(1);
  app.footer(kFooter);
  app.add_option("--socket", common.socket, "the daemon's socket")->type_name("PATH");
  app.add_flag("--json", common.json, "machine-readable output, errors included");
  std::vector<Command> commands;
  add_report_commands(app, common, commands);
  add_live_commands(app, common, commands);
  add_metrics_command(app, common, commands);
  add_check_command(app, common, commands);
  add_doctor_command(app, common, commands);
  add_chat_commands(app, common, commands);
  add_text_commands(app, common, commands);
  add_holding_commands(app, common, commands);
  add_admin_commands(app, common, commands);
  add_complete_command(app, common, commands);
  return commands;
}

Arguments add_command(CLI::App& app, Common& common, const char* name, const char* about,
                      const char* examples) {
  CLI::App* command = app.add_subcommand(name, about);
  command->add_option("--socket", common.socket, "the daemon's socket")->type_name("PATH");
  command->add_flag("--json", common.json, "machine-readable output, errors included");
  command->footer(std::string("Examples:\n") + examples + '\n' + kFooter);
  return Arguments(command);
}

void add_wait(Arguments command, double& wait_seconds, const char* what) {
  command.add_option("--wait", wait_seconds, what).type_name("SECONDS").not_negative();
}

int wait_ms(double seconds) {
  constexpr double kMost = 2'000'000;
  return seconds < 0 ? GM_WAIT_FOREVER : static_cast<int>(1000 * std::min(seconds, kMost));
}

std::vector<std::string> take_child(std::vector<std::string>& words) {
  auto word = words.begin();
  while (word != words.end() && word->rfind('-', 0) == 0) {
    if (*word == "--socket" && word + 1 != words.end()) ++word;
    ++word;
  }
  if (word == words.end() || (*word != "lease" && *word != "yield" && *word != "complete"))
    return {};
  const auto split = std::find(word, words.end(), "--");
  if (split == words.end()) return {};
  std::vector<std::string> child(split + 1, words.end());
  words.erase(split, words.end());
  return child;
}

}  // namespace gpumodelctl

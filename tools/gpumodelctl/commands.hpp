// The commands of gpumodelctl: how the command line says what the other files do.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gpumodelctl/arguments.hpp"

namespace gpumodelctl {

// What every command takes.
struct Common {
  std::string socket;
  bool json = false;
  std::vector<std::string> child;  // the words after "--" of `lease`, `yield` and `complete`
};

struct Command {
  Arguments arguments;
  std::function<int()> run;  // an exit code; throws Failure
};

// The parser with all commands in it. Both arguments outlive what is returned.
std::vector<Command> add_commands(CLI::App& app, Common& common);

// By concern; each adds its commands.
void add_report_commands(CLI::App& app, Common& common, std::vector<Command>& out);
void add_metrics_command(CLI::App& app, Common& common, std::vector<Command>& out);
void add_check_command(CLI::App& app, Common& common, std::vector<Command>& out);
void add_live_commands(CLI::App& app, Common& common, std::vector<Command>& out);
void add_doctor_command(CLI::App& app, Common& common, std::vector<Command>& out);
void add_chat_commands(CLI::App& app, Common& common, std::vector<Command>& out);
void add_text_commands(CLI::App& app, Common& common, std::vector<Command>& out);
void add_admin_commands(CLI::App& app, Common& common, std::vector<Command>& out);
void add_holding_commands(CLI::App& app, Common& common, std::vector<Command>& out);
// Hidden: what the shells ask.
void add_complete_command(CLI::App& app, Common& common, std::vector<Command>& out);

// A command with the options that all have; `examples` end its help.
Arguments add_command(CLI::App& app, Common& common, const char* name, const char* about,
                      const char* examples);
void add_wait(Arguments command, double& wait_seconds, const char* what);
// Milliseconds of --wait; GM_WAIT_FOREVER where it was not given (below 0).
int wait_ms(double seconds);

// Splits the command line where `lease`, `yield` and `complete` have their "--": what stands before
// it stays in `words`, what stands behind it is returned. Any other command keeps its "--".
std::vector<std::string> take_child(std::vector<std::string>& words);

}  // namespace gpumodelctl

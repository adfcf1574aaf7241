// gpumodelctl: gpumodeld from the shell, over gpumodel.h alone; but `check` is the engine's own.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/failure.hpp"

namespace {

using namespace gpumodelctl;

// CLI11 prints its own errors and help; with --json an error is still one JSON object on stdout.
int parse_error(const CLI::App& app, const CLI::ParseError& error, bool json) {
  if (error.get_exit_code() == 0) return app.exit(error);
  if (json) {
    print_failure(usage_failure(error.what()), true);
  } else {
    fmt::print(stderr, "gpumodelctl: {}\nSee gpumodelctl --help.\n", error.what());
  }
  return kExitUsage;
}

int run(const std::vector<Command>& commands, bool json) {
  try {
    for (const Command& command : commands)
      if (command.arguments.given()) return command.run();
    return kExitFailed;
  } catch (const Failure& failure) {
    print_failure(failure, json);
    return failure.exit;
  } catch (const std::exception& error) {
    print_failure(Failure(kExitFailed, usage_failure(error.what()).error), json);
    return kExitFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Lease language models from gpumodeld, from the shell.", "gpumodelctl");
  app.set_version_flag("--version", "gpumodelctl " GPUMODEL_VERSION);
  Common common;
  const std::vector<Command> commands = add_commands(app, common);
  std::vector<std::string> words(argv + 1, argv + argc);
  common.child = take_child(words);
  const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  try {
    std::reverse(words.begin(), words.end());  // as CLI11 takes a vector
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return parse_error(app, error, json);
  }
  return run(commands, common.json);
}

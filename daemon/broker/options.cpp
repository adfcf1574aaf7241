#include "broker/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "broker/config.hpp"
#include "wire/version.hpp"

namespace gpumodel::broker {

ParsedOptions parse_options(int argc, char** argv) {
  const std::map<std::string, LogLevel> levels{{"error", LogLevel::error},
                                               {"warning", LogLevel::warning},
                                               {"info", LogLevel::info},
                                               {"debug", LogLevel::debug}};
  ParsedOptions parsed;
  Options& options = parsed.options;
  options.config_path = kDefaultConfigPath;
  std::string socket;
  std::string level = "info";
  CLI::App app("gpumodeld leases language models on this machine's devices to its programs.",
               "gpumodeld");
  app.add_option("--config", options.config_path, "The configuration file")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--socket", socket, "Listen here instead of where the configuration says")
      ->type_name("PATH");
  app.add_flag("--check-config", options.check_config,
               "Read and check the configuration, and exit: 0 good, 2 not");
  app.add_option("--log-level", level, "What to log at most")
      ->type_name("error|warning|info|debug")
      ->check(CLI::IsMember({"error", "warning", "info", "debug"}))
      ->capture_default_str();
  app.set_version_flag("--version", fmt::format("gpumodeld {}", gpumodel::wire::build_version()));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    parsed.exit_status = app.exit(error) == 0 ? 0 : 2;
    return parsed;
  }
  options.log_level = levels.at(level);
  if (!socket.empty()) options.socket = socket;
  return parsed;
}

}  // namespace gpumodel::broker

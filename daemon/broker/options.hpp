// The command line.
#pragma once

#include <optional>
#include <string>

#include "broker/log.hpp"

namespace gpumodel::broker {

struct Options {
  std::string config_path;
  std::optional<std::string> socket;  // instead of the configuration's
  bool check_config = false;
  LogLevel log_level = LogLevel::info;
};

// The options, or the exit status where there is nothing left to do: --help and --version print
// (0), and what is wrong is told on stderr (2).
struct ParsedOptions {
  Options options;
  std::optional<int> exit_status;
};
ParsedOptions parse_options(int argc, char** argv);

}  // namespace gpumodel::broker

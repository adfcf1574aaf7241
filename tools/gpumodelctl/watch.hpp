// A report of the daemon, once or again and again.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "gpumodelctl/view.hpp"

namespace gpumodelctl {

struct ReportCommand {
  std::string socket;
  bool json = false;
  double watch_seconds = 0;  // 0: once
};

// How a report is shown.
struct Report {
  const char* method;  // what the daemon is asked
  std::function<std::string(const nlohmann::ordered_json& answer, const View&)> words;
  // Its answer for programs; none: as it is.
  std::function<nlohmann::ordered_json(const nlohmann::ordered_json& answer)> json = nullptr;
  // While it is watched: whether a key changes what `words` says.
  std::function<bool(char key)> on_key = nullptr;
};

// Returns an exit code; a watched one ends with 0. Throws Failure.
int run_report(const ReportCommand& command, const Report& report);

}  // namespace gpumodelctl

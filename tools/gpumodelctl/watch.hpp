// A report of the daemon, once or again and again.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace gpumodelctl {

struct ReportCommand {
  std::string socket;
  bool json = false;
  double watch_seconds = 0;  // 0: once
};

// Shows what `method` answers, as `words` puts it (its second argument: with colours) or as JSON.
// Returns an exit code; a watched one ends with 0. Throws Failure.
int run_report(const ReportCommand& command, const char* method,
               std::string (*words)(const nlohmann::ordered_json&, bool));

}  // namespace gpumodelctl

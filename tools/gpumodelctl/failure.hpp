// How gpumodelctl fails: exit codes, and errors for people (stderr) or programs (--json, stdout).
#pragma once

#include <gpumodel.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace gpumodelctl {

// The documented exit codes; 130 is what a shell expects of a program ended by Ctrl-C.
enum Exit : int {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitNoDaemon = 3,
  kExitDenied = 4,
  kExitBusy = 5,
  kExitInterrupted = 130
};

// Ends the command with this exit code and error; the error has the protocol's fields.
class Failure : public std::runtime_error {
 public:
  Failure(Exit exit, nlohmann::ordered_json error);

  Exit exit;
  nlohmann::ordered_json error;
};

// Arguments or input files that cannot be right: exit code 2.
Failure usage_failure(const std::string& message);

// The library's last error of this thread as a Failure.
Failure last_failure(gm_status status);

// Returns a status that is no error; throws last_failure() otherwise.
gm_status check(gm_status status);

// On stdout as {"error": {...}} with `json`, else on stderr in words.
void print_failure(const Failure& failure, bool json);

}  // namespace gpumodelctl

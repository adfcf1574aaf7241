// What lasts as long as this program: leases and yields held for a command, prefetches.
#pragma once

#include <gpumodel.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gpumodelctl {

struct LeaseCommand {
  std::string socket;
  std::vector<std::string> models;
  std::vector<std::string> command;
  int wait_ms = GM_WAIT_FOREVER;
  bool wait_foreign = false;
};

struct YieldCommand {
  std::string socket;
  bool json = false;
  std::string device;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> for_ms;  // not with a command
  int wait_ms = GM_WAIT_FOREVER;
  std::vector<std::string> command;
};

struct PrefetchCommand {
  std::string socket;
  bool json = false;
  std::vector<std::string> models;
  std::uint64_t hold_ms = 0;
};

// Each returns an exit code, the command's own where one ran; throws Failure.
int run_lease(const LeaseCommand& command);
int run_yield(const YieldCommand& command);
int run_prefetch(const PrefetchCommand& command);

}  // namespace gpumodelctl

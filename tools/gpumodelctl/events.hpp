// `events`: what the daemon did, and what it does from now on.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace gpumodelctl {

struct EventsCommand {
  std::string socket;
  bool json = false;
  bool follow = false;
  std::uint64_t after_seq = 0;
  int limit = 100;  // 1 to 1000
};

// Prints the last events, one a line, and with `follow` those that come until it is interrupted or
// nobody reads; events that the connection missed are fetched. Returns an exit code; throws
// Failure.
int run_events(const EventsCommand& command);

// "2026-01-31 13:05:09  loaded  concept on cpu, 257 MiB in 240 ms: reason (user alice)".
std::string event_line(const nlohmann::ordered_json& event, bool colour);

}  // namespace gpumodelctl

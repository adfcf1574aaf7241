// Who uses the daemon or waits for it, out of `status`: one row for each lease and each waiter.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gpumodelctl/format.hpp"

namespace gpumodelctl {

struct ProgramRow {
  std::int64_t pid = 0;
  std::uint32_t uid = 0;
  std::string user;  // the number where the system knows no name
  std::string
      command;  // as the kernel has it; where that cannot be seen, as the program said; or ""
  std::vector<std::string> models;
  std::optional<std::uint64_t> lease;     // else it waits for one
  std::optional<std::uint64_t> position;  // in the queue
  std::string state;          // "generating", "waiting", "idle", "suspended", "resuming", "queued"
  std::string reason;         // what a queued one waits for
  std::uint64_t age_ms = 0;   // since the grant, or since it began to wait
  std::uint64_t idle_ms = 0;  // since its last generation; 0 while it has one
  std::uint64_t output_tokens = 0;     // of all of its generations on this lease
  std::uint32_t generations = 0;       // that it waits for the end of
  std::optional<double> tokens_per_s;  // of those, since the first token of each
};

// Leases in the order of `status`, then the queue.
std::vector<ProgramRow> programs_of(const nlohmann::ordered_json& status);

// `ps`: the rows as a table; `now_ms` is the time, in ms since 1970.
std::string programs_text(const std::vector<ProgramRow>& rows, std::int64_t now_ms,
                          const View& view);
nlohmann::ordered_json programs_json(const std::vector<ProgramRow>& rows, std::int64_t now_ms);

// The state with its tone.
Cell state_cell(const ProgramRow& row);
// "31.4", or "-".
std::string rate_words(const std::optional<double>& tokens_per_s);

}  // namespace gpumodelctl

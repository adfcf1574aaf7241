#include "gpumodelctl/programs.hpp"

#include <fmt/core.h>

#include <fstream>

#include "gpumodelctl/facts.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

std::string comm(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

// Process numbers are the daemon's. In a container they would name others here.
bool shares_processes(const ordered_json& status) {
  return comm(static_cast<std::int64_t>(number(at(at(status, "daemon"), "pid")))) == "gpumodeld";
}

ProgramRow whose(const ordered_json& row, bool local) {
  ProgramRow out;
  out.pid = static_cast<std::int64_t>(number(at(row, "pid")));
  out.uid = static_cast<std::uint32_t>(number(at(row, "uid")));
  out.user = at(row, "user").is_string() ? words(at(row, "user")) : words(at(row, "uid"));
  if (local) out.command = comm(out.pid);
  if (out.command.empty() && at(row, "app").is_string()) out.command = words(at(row, "app"));
  return out;
}

// Of the lease's requests: how many, and how fast they are together.
void add_generations(const ordered_json& status, ProgramRow& row) {
  bool running = false;
  for (const auto& generation : at(status, "generations")) {
    if (number(at(generation, "lease")) != row.lease) continue;
    ++row.generations;
    running |= at(generation, "state") == "running";
    const auto& first = at(generation, "first_token_ms");
    const auto tokens = number(at(generation, "output_tokens"));
    const auto age = number(at(generation, "age_ms"));
    // The first token is where the time begins.
    if (first.is_null() || tokens < 2 || age <= number(first)) continue;
    const double seconds = static_cast<double>(age - number(first)) / 1000;
    row.tokens_per_s = row.tokens_per_s.value_or(0) + static_cast<double>(tokens - 1) / seconds;
  }
  if (row.generations != 0) row.state = running ? "generating" : "waiting";
}

ProgramRow holder(const ordered_json& status, const ordered_json& lease, bool local) {
  ProgramRow row = whose(lease, local);
  row.models = {words(at(lease, "model"))};
  row.lease = number(at(lease, "id"));
  row.age_ms = number(at(lease, "age_ms"));
  row.idle_ms = number(at(lease, "idle_ms"));
  row.output_tokens = number(at(lease, "output_tokens"));
  row.state = at(lease, "state") == "held" ? "idle" : words(at(lease, "state"));
  add_generations(status, row);
  return row;
}

ProgramRow waiter(const ordered_json& waiting, bool local) {
  ProgramRow row = whose(waiting, local);
  for (const auto& model : at(waiting, "models")) row.models.push_back(words(model));
  row.position = number(at(waiting, "position"));
  row.age_ms = number(at(waiting, "waited_ms"));
  row.state = "queued";
  row.reason = at(waiting, "reason").is_null() ? "" : words(at(waiting, "reason"));
  return row;
}

std::string state_words(const ProgramRow& row) {
  if (row.state == "idle") return "idle " + format_ms(row.idle_ms);
  if (row.state != "queued") return row.state;
  const std::string place = fmt::format("queued #{}", row.position.value_or(0));
  return row.reason.empty() ? place : place + ": " + row.reason;
}

std::string list(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

std::vector<ProgramRow> programs_of(const ordered_json& status) {
  const bool local = shares_processes(status);
  std::vector<ProgramRow> rows;
  for (const auto& lease : at(status, "leases")) rows.push_back(holder(status, lease, local));
  for (const auto& waiting : at(status, "queue")) rows.push_back(waiter(waiting, local));
  return rows;
}

Cell state_cell(const ProgramRow& row) {
  const Tone tone = row.state == "generating" ? Tone::good
                    : row.state == "idle"     ? Tone::plain
                                              : Tone::warning;
  return {state_words(row), tone};
}

std::string rate_words(const std::optional<double>& tokens_per_s) {
  return tokens_per_s ? fmt::format("{:.1f}", *tokens_per_s) : "-";
}

std::string programs_text(const std::vector<ProgramRow>& rows, std::int64_t now_ms,
                          const View& view) {
  using Align = Table::Align;
  Table table({{"PID", Align::right},
               {"USER"},
               {"COMMAND"},
               {"MODEL"},
               {"SINCE", Align::left, 1},
               {"TOKENS", Align::right},
               {"TOKENS/S", Align::right, 2},
               {"STATE"}});
  for (const ProgramRow& row : rows)
    table.add({std::to_string(row.pid), row.user, row.command.empty() ? "-" : row.command,
               list(row.models), wall_time(now_ms - static_cast<std::int64_t>(row.age_ms)),
               row.lease ? std::to_string(row.output_tokens) : "-", rate_words(row.tokens_per_s),
               state_cell(row)});
  return table.empty() ? "No program holds a lease or waits for one.\n" : table.text(view);
}

ordered_json programs_json(const std::vector<ProgramRow>& rows, std::int64_t now_ms) {
  const auto optional = [](const auto& value) {
    return value ? ordered_json(*value) : ordered_json();
  };
  ordered_json out = ordered_json::array();
  for (const ProgramRow& row : rows)
    out.push_back({{"pid", row.pid},
                   {"uid", row.uid},
                   {"user", row.user},
                   {"command", row.command.empty() ? ordered_json() : ordered_json(row.command)},
                   {"models", row.models},
                   {"lease", optional(row.lease)},
                   {"position", optional(row.position)},
                   {"state", row.state},
                   {"reason", row.reason.empty() ? ordered_json() : ordered_json(row.reason)},
                   {"since_ms", now_ms - static_cast<std::int64_t>(row.age_ms)},
                   {"age_ms", row.age_ms},
                   {"idle_ms", row.idle_ms},
                   {"output_tokens", row.output_tokens},
                   {"generations", row.generations},
                   {"tokens_per_s", optional(row.tokens_per_s)}});
  return {{"programs", out}};
}

}  // namespace gpumodelctl

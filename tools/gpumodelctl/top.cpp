#include "gpumodelctl/top.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/memory.hpp"
#include "gpumodelctl/report.hpp"
#include "gpumodelctl/watch.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;
using Align = Table::Align;

std::string counted(std::size_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string head_line(const ordered_json& status, std::int64_t now_ms, const View& view) {
  const auto& daemon = at(status, "daemon");
  const auto& uptime = at(daemon, "uptime_s");
  const bool draining = at(daemon, "draining") == true;
  std::string line = fmt::format(
      "gpumodeld {}, up {}, {}, {} running, {} in the queue", tamed(words(at(daemon, "version"))),
      uptime.is_number() ? format_ms(1000 * uptime.get<std::uint64_t>()) : "-",
      counted(at(status, "leases").size(), "lease", "leases"), at(status, "generations").size(),
      at(status, "queue").size());
  if (draining) line += painted(Tone::warning, ", DRAINING", view.colour);
  return line + "  " + wall_time(now_ms).substr(11) + '\n';
}

std::string engines_line(const ordered_json& devices, const View& view) {
  std::string line;
  for (const auto& device : devices) {
    const auto& engine = at(device, "engine");
    line += fmt::format("{}{} {}, engine {} {}", line.empty() ? "" : "; ",
                        tamed(words(at(device, "name"))), tamed(words(at(device, "state"))),
                        tamed(words(at(engine, "state"))), bytes(at(engine, "resident_bytes")));
  }
  return line.empty() ? "No devices.\n" : painted(Tone::dim, line, view.colour) + '\n';
}

// Those that are something now; the others are told in a word.
std::string models_part(const ordered_json& models, const View& view) {
  Table table({{"MODEL"},
               {"STATE"},
               {"DEVICE", Align::left, 1},
               {"NEEDS", Align::right, 2},
               {"LEASES", Align::right},
               {"WAITING", Align::right},
               {"SINCE", Align::right, 3}});
  std::size_t idle = 0;
  for (const auto& model : models) {
    const bool shown = at(model, "state") != "not_loaded" && at(model, "state") != "unloaded";
    idle += shown ? 0 : 1;
    if (shown || at(model, "waiting") != 0)
      table.add({words(at(model, "name")), state_cell(model), words(at(model, "device")),
                 bytes(at(model, "device_bytes")), words(at(model, "leases")),
                 words(at(model, "waiting")), time(at(model, "since_ms"))});
  }
  std::string out = table.empty() ? "" : table.text(view);
  if (idle != 0)
    out +=
        painted(Tone::dim, counted(idle, "model is", "models are") + " not loaded", view.colour) +
        '\n';
  return out;
}

std::string programs_part(const std::vector<ProgramRow>& rows, const View& view) {
  Table table({{"PID", Align::right},
               {"USER", Align::left, 3},
               {"COMMAND"},
               {"MODEL"},
               {"AGE", Align::right, 4},
               {"TOKENS", Align::right, 2},
               {"TOKENS/S", Align::right, 1},
               {"STATE"}});
  for (const ProgramRow& row : rows) {
    std::string models;
    for (const std::string& model : row.models) models += (models.empty() ? "" : ", ") + model;
    table.add({std::to_string(row.pid), row.user, row.command.empty() ? "-" : row.command, models,
               format_ms(row.age_ms), row.lease ? std::to_string(row.output_tokens) : "-",
               rate_words(row.tokens_per_s), state_cell(row)});
  }
  return table.empty() ? "No program holds a lease or waits for one.\n" : table.text(view);
}

std::string keys_line(Order order, bool reversed, const View& view) {
  constexpr std::pair<Order, const char*> kOrders[] = {
      {Order::age, "age"},   {Order::tokens, "tokens"}, {Order::rate, "rate"},
      {Order::user, "user"}, {Order::model, "model"},   {Order::pid, "pid"}};
  if (view.columns == 0) return "";  // nobody presses keys there
  std::string line = "q quit, sort by";
  for (const auto& [each, name] : kOrders)
    line += fmt::format(" {}", each == order
                                   ? painted(Tone::title, fmt::format("[{}]", name), view.colour)
                                   : std::string(name));
  return cut(line + (reversed ? ", R [reversed]" : ", R reverse"), view.columns) + '\n';
}

}  // namespace

bool order_of(char key, Order& order) {
  for (const Order each :
       {Order::age, Order::tokens, Order::rate, Order::user, Order::model, Order::pid})
    if (static_cast<char>(each) == key) {
      order = each;
      return true;
    }
  return false;
}

void sort_programs(std::vector<ProgramRow>& rows, Order order, bool reversed) {
  const auto before = [order](const ProgramRow& a, const ProgramRow& b) {
    switch (order) {
      case Order::age:
        return a.age_ms > b.age_ms;
      case Order::tokens:
        return a.output_tokens > b.output_tokens;
      case Order::rate:
        return a.tokens_per_s.value_or(-1) > b.tokens_per_s.value_or(-1);
      case Order::user:
        return a.user < b.user;
      case Order::model:
        return a.models < b.models;
      case Order::pid:
        return a.pid < b.pid;
    }
    return false;
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const ProgramRow& a, const ProgramRow& b) {
    return reversed ? before(b, a) : before(a, b);
  });
}

std::string top_text(const ordered_json& status, Order order, bool reversed, std::int64_t now_ms,
                     const View& view) {
  std::vector<ProgramRow> rows = programs_of(status);
  sort_programs(rows, order, reversed);
  return head_line(status, now_ms, view) + keys_line(order, reversed, view) +
         engines_line(at(status, "devices"), view) + memory_text(status, view) + '\n' +
         programs_part(rows, view) + '\n' + models_part(at(status, "models"), view);
}

int run_top(const TopCommand& command) {
  Order order = Order::age;
  bool reversed = false;
  Report report{"status", [&](const ordered_json& status, const View& view) {
                  return top_text(status, order, reversed, unix_ms(), view);
                }};
  report.on_key = [&](char key) {
    if (key == 'R') reversed = !reversed;
    return key == 'R' || order_of(key, order);
  };
  return run_report({command.socket, command.json, command.seconds}, report);
}

}  // namespace gpumodelctl

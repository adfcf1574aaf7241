#include "gpumodelctl/report.hpp"

#include <fmt/core.h>

#include "gpumodelctl/format.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;
using Align = Table::Align;

const ordered_json& at(const ordered_json& map, const char* key) {
  static const ordered_json none;
  const auto found = map.is_object() ? map.find(key) : map.end();
  return map.is_object() && found != map.end() ? *found : none;
}

std::string words(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "-" : value.dump();
}

std::string bytes(const ordered_json& value) {
  return value.is_number() ? format_bytes(value.get<std::uint64_t>()) : "-";
}

std::string time(const ordered_json& value) {
  return value.is_number() ? format_ms(value.get<std::uint64_t>()) : "-";
}

std::string joined(const ordered_json& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + words(name);
  return out.empty() ? "-" : out;
}

std::string load_words(const ordered_json& load) {
  return load.is_object() ? fmt::format("{} in {}", bytes(at(load, "bytes")), time(at(load, "ms"))) : "-";
}

std::string unload_words(const ordered_json& unload) {
  if (!unload.is_object()) return "-";
  std::string out = fmt::format("{} in {}", bytes(at(unload, "freed_bytes")), time(at(unload, "ms")));
  const auto& residual = at(unload, "residual_bytes");
  if (residual.is_number() && residual.get<std::uint64_t>() != 0)
    out += fmt::format(", {} NOT BACK", bytes(residual));
  return out;
}

std::string daemon_line(const ordered_json& daemon) {
  const auto& uptime = at(daemon, "uptime_s");
  return fmt::format("gpumodeld {}, pid {}, up {}{}\n", words(at(daemon, "version")),
                     words(at(daemon, "pid")),
                     uptime.is_number() ? format_ms(1000 * uptime.get<std::uint64_t>()) : "-",
                     at(daemon, "draining") == true ? ", DRAINING: no new work" : "");
}

std::string devices_text(const ordered_json& devices) {
  Table table({{"DEVICE"}, {"STATE"}, {"CAPACITY", Align::right}, {"USED", Align::right},
               {"FREE", Align::right}, {"RESERVE", Align::right}, {"FOREIGN", Align::right},
               {"ENGINE"}, {"PID", Align::right}, {"RESIDENT", Align::right}});
  for (const auto& device : devices) {
    const auto& engine = at(device, "engine");
    table.add({words(at(device, "name")), words(at(device, "state")),
               bytes(at(device, "capacity_bytes")), bytes(at(device, "used_bytes")),
               bytes(at(device, "free_bytes")), bytes(at(device, "reserve_bytes")),
               bytes(at(device, "foreign_bytes")), words(at(engine, "state")),
               words(at(engine, "pid")), bytes(at(engine, "resident_bytes"))});
  }
  return table.empty() ? "No devices.\n" : table.text();
}

std::string leases_text(const ordered_json& leases) {
  Table table({{"LEASE", Align::right}, {"MODEL"}, {"STATE"}, {"USER"}, {"PID", Align::right},
               {"PROGRAM"}, {"AGE", Align::right}, {"IDLE", Align::right}});
  for (const auto& lease : leases)
    table.add({words(at(lease, "id")), words(at(lease, "model")), words(at(lease, "state")),
               words(at(lease, "user")), words(at(lease, "pid")), words(at(lease, "app")),
               time(at(lease, "age_ms")), time(at(lease, "idle_ms"))});
  return table.empty() ? "No leases.\n" : table.text();
}

std::string queue_text(const ordered_json& queue) {
  Table table({{"QUEUE", Align::right}, {"MODELS"}, {"USER"}, {"PID", Align::right},
               {"WAITED", Align::right}, {"ETA", Align::right}, {"WAITS FOR"}});
  for (const auto& row : queue)
    table.add({words(at(row, "position")), joined(at(row, "models")), words(at(row, "user")),
               words(at(row, "pid")), time(at(row, "waited_ms")), time(at(row, "eta_ms")),
               words(at(row, "reason"))});
  return table.empty() ? "" : '\n' + table.text();
}

std::string model_errors(const ordered_json& models) {
  std::string out;
  for (const auto& model : models)
    if (const auto& error = at(model, "error"); error.is_object())
      out += fmt::format("{}: {}\n", words(at(model, "name")), words(at(error, "message")));
  return out.empty() ? out : '\n' + out;
}

}  // namespace

std::string models_text(const ordered_json& answer) {
  Table table({{"MODEL"}, {"STATE"}, {"DEVICE"}, {"DTYPE"}, {"CONTEXT", Align::right},
               {"NEEDS", Align::right}, {"LEASES", Align::right}, {"WAITING", Align::right},
               {"LAST LOAD"}, {"LAST UNLOAD"}});
  const auto& models = at(answer, "models");
  for (const auto& model : models)
    table.add({words(at(model, "name")), words(at(model, "state")), words(at(model, "device")),
               words(at(model, "dtype")), words(at(model, "context_tokens")),
               bytes(at(model, "device_bytes")), words(at(model, "leases")),
               words(at(model, "waiting")), load_words(at(model, "load")),
               unload_words(at(model, "unload"))});
  return table.empty() ? "No models are configured.\n" : table.text() + model_errors(models);
}

std::string status_text(const ordered_json& status) {
  return daemon_line(at(status, "daemon")) + '\n' + devices_text(at(status, "devices")) + '\n' +
         models_text(status) + '\n' + leases_text(at(status, "leases")) +
         queue_text(at(status, "queue"));
}

}  // namespace gpumodelctl

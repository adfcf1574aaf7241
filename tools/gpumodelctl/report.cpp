#include "gpumodelctl/report.hpp"

#include <fmt/core.h>

#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/format.hpp"
#include "gpumodelctl/memory.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;
using Align = Table::Align;

bool above_zero(const ordered_json& value) { return value.is_number() && value.get<double>() > 0; }

Cell device_state(const ordered_json& device) {
  Cell cell = state_cell(device);
  if (at(device, "draining") == true) cell = {cell.text + ", draining", Tone::warning};
  return cell;
}

std::string load_words(const ordered_json& load) {
  return load.is_object() ? fmt::format("{} in {}", bytes(at(load, "bytes")), time(at(load, "ms")))
                          : "-";
}

Cell unload_words(const ordered_json& unload) {
  if (!unload.is_object()) return "-";
  const std::string out =
      fmt::format("{} in {}", bytes(at(unload, "freed_bytes")), time(at(unload, "ms")));
  const auto& residual = at(unload, "residual_bytes");
  if (!above_zero(residual)) return out;
  return {fmt::format("{}, {} NOT BACK", out, bytes(residual)), Tone::bad};
}

std::string daemon_line(const ordered_json& daemon, const View& view) {
  const auto& uptime = at(daemon, "uptime_s");
  const bool draining = at(daemon, "draining") == true;
  return fmt::format(
      "gpumodeld {}, pid {}, up {}{}\n", tamed(words(at(daemon, "version"))),
      words(at(daemon, "pid")),
      uptime.is_number() ? format_ms(1000 * uptime.get<std::uint64_t>()) : "-",
      draining ? painted(Tone::warning, ", DRAINING: no new work", view.colour) : "");
}

std::string devices_text(const ordered_json& devices, const View& view) {
  Table table({{"DEVICE"},
               {"STATE"},
               {"CAPACITY", Align::right},
               {"USED", Align::right},
               {"FREE", Align::right},
               {"RESERVE", Align::right, 4},
               {"FOREIGN", Align::right, 3},
               {"YIELDED", Align::right, 5},
               {"ENGINE", Align::left, 1},
               {"PID", Align::right},
               {"RESIDENT", Align::right, 2},
               {"RESTARTS", Align::right, 6}});
  for (const auto& device : devices) {
    const auto& engine = at(device, "engine");
    table.add({words(at(device, "name")), device_state(device), bytes(at(device, "capacity_bytes")),
               bytes(at(device, "used_bytes")), bytes(at(device, "free_bytes")),
               bytes(at(device, "reserve_bytes")), bytes(at(device, "foreign_bytes")),
               bytes(at(device, "yielded_bytes")), state_cell(engine), words(at(engine, "pid")),
               bytes(at(engine, "resident_bytes")), words(at(engine, "restarts"))});
  }
  return table.empty() ? "No devices.\n" : table.text(view);
}

std::string weights_text(const ordered_json& weights, const View& view) {
  Table table({{"WEIGHTS", Align::right},
               {"WHERE"},
               {"DEVICE"},
               {"TENSORS", Align::right, 1},
               {"KV", Align::right, 2},
               {"WORKSPACE", Align::right, 3},
               {"MODELS"}});
  for (const auto& row : weights)
    table.add({words(at(row, "id")), words(at(row, "residency")), words(at(row, "device")),
               bytes(at(row, "tensor_bytes")), bytes(at(row, "kv_bytes")),
               bytes(at(row, "workspace_bytes")), joined(at(row, "models"))});
  return table.empty() ? "" : '\n' + table.text(view);
}

std::string leases_text(const ordered_json& leases, const View& view) {
  Table table({{"LEASE", Align::right},
               {"MODEL"},
               {"STATE"},
               {"USER"},
               {"PID", Align::right},
               {"PROGRAM", Align::left, 1},
               {"AGE", Align::right},
               {"IDLE", Align::right, 2}});
  for (const auto& lease : leases)
    table.add({words(at(lease, "id")), words(at(lease, "model")), state_cell(lease),
               words(at(lease, "user")), words(at(lease, "pid")), words(at(lease, "app")),
               time(at(lease, "age_ms")), time(at(lease, "idle_ms"))});
  return table.empty() ? "No leases.\n" : table.text(view);
}

std::string queue_text(const ordered_json& queue, const View& view) {
  Table table({{"QUEUE", Align::right},
               {"MODELS"},
               {"USER"},
               {"PID", Align::right},
               {"WAITED", Align::right},
               {"ETA", Align::right},
               {"WAITS FOR"}});
  for (const auto& row : queue)
    table.add({words(at(row, "position")), joined(at(row, "models")), words(at(row, "user")),
               words(at(row, "pid")), time(at(row, "waited_ms")), time(at(row, "eta_ms")),
               words(at(row, "reason"))});
  return table.empty() ? "" : '\n' + table.text(view);
}

std::string yields_text(const ordered_json& yields, const View& view) {
  Table table({{"YIELD", Align::right},
               {"DEVICE"},
               {"BYTES", Align::right},
               {"USER"},
               {"PID", Align::right},
               {"UNTIL"}});
  for (const auto& row : yields) {
    const auto& until = at(row, "until_ms");
    table.add({words(at(row, "id")), words(at(row, "device")), bytes(at(row, "bytes")),
               words(at(row, "user")), words(at(row, "pid")),
               until.is_null() ? "its program ends" : wall_time(until)});
  }
  return table.empty() ? "" : '\n' + table.text(view);
}

std::string memory_part(const ordered_json& status, const View& view) {
  const std::string text = memory_text(status, view);
  return text.empty() ? text : '\n' + text;
}

std::string model_errors(const ordered_json& models, const View& view) {
  std::string out;
  for (const auto& model : models)
    if (const auto& error = at(model, "error"); error.is_object())
      out +=
          painted(
              Tone::bad,
              tamed(fmt::format("{}: {}", words(at(model, "name")), words(at(error, "message")))),
              view.colour) +
          '\n';
  return out.empty() ? out : '\n' + out;
}

}  // namespace

Cell state_cell(const ordered_json& row) {
  const std::string name = words(at(row, "state"));
  Tone tone = Tone::plain;
  if (name == "ok" || name == "ready" || name == "held" || name == "running") tone = Tone::good;
  if (name == "failed" || name == "backoff") tone = Tone::bad;
  if (name == "suspended" || name == "resuming" || name == "loading" || name == "unloading" ||
      name == "starting")
    tone = Tone::warning;
  return {name, tone};
}

std::string models_text(const ordered_json& answer, const View& view) {
  Table table({{"MODEL"},
               {"STATE"},
               {"SINCE", Align::right, 6},
               {"DEVICE"},
               {"DTYPE", Align::left, 7},
               {"CONTEXT", Align::right, 8},
               {"NEEDS", Align::right, 1},
               {"ADAPTER", Align::right, 9},
               {"LEASES", Align::right},
               {"WAITING", Align::right},
               {"LAST LOAD", Align::left, 4},
               {"LAST UNLOAD", Align::left, 10},
               {"PINNED", Align::left, 5}});
  const auto& models = at(answer, "models");
  for (const auto& model : models)
    table.add({words(at(model, "name")), state_cell(model), time(at(model, "since_ms")),
               words(at(model, "device")), words(at(model, "dtype")),
               words(at(model, "context_tokens")), bytes(at(model, "device_bytes")),
               bytes(at(model, "adapter_bytes")), words(at(model, "leases")),
               words(at(model, "waiting")), load_words(at(model, "load")),
               unload_words(at(model, "unload")), at(model, "pinned") == true ? "yes" : ""});
  return table.empty() ? "No models are configured.\n"
                       : table.text(view) + model_errors(models, view);
}

std::string status_text(const ordered_json& status, const View& view) {
  return daemon_line(at(status, "daemon"), view) + '\n' +
         devices_text(at(status, "devices"), view) + memory_part(status, view) +
         yields_text(at(status, "yields"), view) + '\n' + models_text(status, view) +
         weights_text(at(status, "weights"), view) + '\n' +
         leases_text(at(status, "leases"), view) + queue_text(at(status, "queue"), view);
}

}  // namespace gpumodelctl

// A model's table.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "broker/config_sections.hpp"
#include "wire/dtype.hpp"

namespace gpumodel::broker {
namespace {

constexpr std::uint32_t kMostContextTokens = 1u << 24;

void read_auto_unload(ConfigTable& table, core::AutoUnload& out) {
  using Kind = core::AutoUnload::Kind;
  const auto value = table.switch_or_duration("auto_unload");
  if (!value) return;
  if (value->on) {
    out.kind = *value->on ? Kind::at_last_release : Kind::when_needed;
  } else {
    out = {Kind::after, value->duration};
  }
}

void read_dtype(ConfigTable& table, std::string& out) {
  const auto dtype = table.text("dtype");
  if (!dtype) return;
  if (!wire::is_dtype(*dtype)) {
    table.wrong("dtype", fmt::format("expected {}, not \"{}\"", wire::kDtypesText, *dtype));
  } else {
    out = *dtype;
  }
}

// Names of the model's devices: all where it says nothing.
void read_model_devices(ConfigTable& table, const std::vector<DeviceConfig>& devices,
                        ModelConfig& model) {
  std::vector<std::string_view> known;
  for (const DeviceConfig& device : devices) known.push_back(device.name);
  const auto names = table.texts("devices");
  if (!names) {
    model.devices.assign(known.begin(), known.end());
    return;
  }
  if (names->empty())
    table.wrong("devices", "expected at least one device; remove the key for any");
  for (const std::string& name : *names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) {
      model.devices.push_back(name);
    } else {
      table.wrong(
          "devices",
          fmt::format(
              "no device \"{}\"; add a table [devices.\"{}\"] or use one of: {}", name, name,
              known.empty() ? "(none is configured)" : fmt::format("{}", fmt::join(known, ", "))));
    }
  }
}

// `memory`, or `gpu_memory_utilization` as a fraction of its smallest device's capacity.
void read_cap(ConfigTable& table, const std::vector<DeviceConfig>& devices, ModelConfig& model) {
  const auto memory = table.size("memory");
  const auto fraction = table.number("gpu_memory_utilization", 0, 1);
  if (memory == 0u) table.wrong("memory", "expected more than 0; remove the key for no cap");
  if (memory && fraction)
    table.wrong("gpu_memory_utilization", "expected either this or memory, not both");
  model.memory_cap_bytes = memory.value_or(0);
  if (!fraction) return;
  std::uint64_t least = 0;
  for (const DeviceConfig& device : devices)
    if (std::find(model.devices.begin(), model.devices.end(), device.name) != model.devices.end())
      least = least == 0 ? device.memory_bytes : std::min(least, device.memory_bytes);
  model.memory_cap_bytes =
      static_cast<std::uint64_t>(std::floor(*fraction * static_cast<double>(least)));
}

void read_unserved_model_keys(ConfigTable& table) {
  table.unserved("tensor_parallel_size",
                 table.integer("tensor_parallel_size", 1, 64).value_or(1) == 1);
}

}  // namespace

bool is_model_name(std::string_view name) {
  return !name.empty() && name.size() <= wire::kMaxModelNameBytes &&
         std::none_of(name.begin(), name.end(),
                      [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

ModelConfig read_model_section(std::string name, ConfigTable table,
                               const std::filesystem::path& folder, const Config& so_far,
                               const Directory& directory) {
  const std::vector<DeviceConfig>& devices = so_far.devices;
  ModelConfig model;
  model.name = std::move(name);
  if (const auto path = table.text("path")) {
    model.path = (folder / *path).lexically_normal().string();
  } else if (table.find("path") == nullptr) {
    table.wrong(
        "path",
        "missing: a model needs its folder, e.g. path = \"/srv/models/Qwen2.5-7B-Instruct\"");
  }
  if (const auto adapter = table.text("adapter"))
    model.adapter_path = (folder / *adapter).lexically_normal().string();
  read_dtype(table, model.dtype);
  read_auto_unload(table, model.auto_unload);
  model.context_tokens = table.integer("context_tokens", 1, kMostContextTokens).value_or(0);
  read_model_devices(table, devices, model);
  read_cap(table, devices, model);
  if (const auto users = table.texts("users"))
    model.users = resolve_principals(table, "users", *users, directory);
  model.idle_grace = table.duration_or_never("idle_grace").value_or(so_far.daemon.idle_grace);
  model.pin = table.boolean("pin").value_or(false);
  model.preload = table.boolean("preload").value_or(false);
  model.speculation = table.boolean("speculation").value_or(true);
  read_unserved_model_keys(table);
  table.finish();
  return model;
}

}  // namespace gpumodel::broker

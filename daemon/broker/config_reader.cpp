// read_config: the sections of the file, each a function over a ConfigTable.
#include <fmt/format.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "broker/config.hpp"
#include "broker/config_table.hpp"
#include "broker/near_names.hpp"
#include "broker/quantities.hpp"

namespace gpumodel::broker {
namespace {

constexpr std::size_t kMostSocketPathBytes = 107;  // sockaddr_un::sun_path, less its terminator
constexpr std::uint32_t kMostContextTokens = 1u << 24;
constexpr std::size_t kMostFileBytes = 4u << 20;
using std::chrono::milliseconds;

// "alice" is a user, "@research" a group.
Principals resolve(ConfigTable& table, std::string_view key,
                   const std::vector<std::string>& names) {
  Principals out;
  for (const std::string& name : names) {
    if (name.front() == '@') {
      if (const auto gid = find_group(name.substr(1))) {
        out.groups.push_back(*gid);
      } else {
        table.wrong(key, fmt::format("no group \"{}\" on this system; create it or remove the name",
                                     name.substr(1)));
      }
    } else if (const auto uid = find_user(name)) {
      out.users.push_back(*uid);
    } else {
      table.wrong(key,
                  fmt::format("no user \"{}\" on this system; create it, remove the name, or write "
                              "\"@{}\" for a group",
                              name, name));
    }
  }
  return out;
}

std::optional<mode_t> parse_mode(const std::string& text) {
  if (text.empty() || text.size() > 4 || text.find_first_not_of("01234567") != std::string::npos)
    return std::nullopt;
  const auto mode = static_cast<mode_t>(std::stoul(text, nullptr, 8));
  return mode <= 0777 ? std::optional<mode_t>(mode) : std::nullopt;
}

// admins: the key's default names a group that a system need not have.
void read_admins(ConfigTable& table, DaemonConfig& daemon) {
  daemon.admins.users = {0};
  if (const auto names = table.texts("admins")) daemon.admins = resolve(table, "admins", *names);
}

void read_socket(ConfigTable& table, DaemonConfig& daemon) {
  if (auto socket = table.text("socket")) {
    if (socket->front() != '/' || socket->size() > kMostSocketPathBytes)
      table.wrong("socket", fmt::format("expected an absolute path of at most {} bytes",
                                        kMostSocketPathBytes));
    daemon.socket = *std::move(socket);
  }
  if (const auto text = table.text("socket_mode")) {
    if (const auto mode = parse_mode(*text)) {
      daemon.socket_mode = *mode;
    } else {
      table.wrong("socket_mode",
                  fmt::format("expected an octal mode such as \"0660\", not \"{}\"", *text));
    }
  }
  if (const auto group = table.text("socket_group")) {
    daemon.socket_group = find_group(*group);
    if (!daemon.socket_group)
      table.wrong(
          "socket_group",
          fmt::format("no group \"{}\" on this system; create it or remove the key", *group));
  }
}

DaemonConfig read_daemon(ConfigTable table) {
  DaemonConfig daemon;
  read_socket(table, daemon);
  read_admins(table, daemon);
  daemon.engine_grace = table.duration("engine_grace").value_or(daemon.engine_grace);
  daemon.max_wait = table.duration("max_wait").value_or(daemon.max_wait);
  daemon.drain_timeout = table.duration("drain_timeout").value_or(daemon.drain_timeout);
  daemon.residual_threshold_bytes =
      table.size("residual_threshold").value_or(daemon.residual_threshold_bytes);
  if (const auto value = table.duration("idle_grace"))
    table.unserved("idle_grace", *value == milliseconds(30'000));
  if (const auto value = table.duration("min_residency"))
    table.unserved("min_residency", *value == milliseconds(15'000));
  table.unserved("metrics_textfile", false);
  table.finish();
  return daemon;
}

bool is_cpu_name(std::string_view name) {
  if (name == "cpu") return true;
  return name.starts_with("cpu:") && name.size() > 4 && name.size() <= 7 &&
         name.find_first_not_of("0123456789", 4) == std::string_view::npos;
}

DeviceConfig read_device(std::string name, ConfigTable table, std::uint64_t machine_bytes) {
  DeviceConfig device{std::move(name), "cpu", machine_bytes / 2, 0};
  const auto memory = table.size("memory");
  if (memory == 0u) table.wrong("memory", "expected more than 0");
  device.memory_bytes = memory.value_or(device.memory_bytes);
  device.reserve_bytes = table.size("reserve").value_or(0);
  if (device.reserve_bytes >= device.memory_bytes && memory != 0u)
    table.wrong("reserve", fmt::format("expected less than the device's memory, {}",
                                       format_size(device.memory_bytes)));
  table.finish();
  return device;
}

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
  constexpr std::string_view kServed[] = {"auto", "bf16", "fp16", "fp32"};
  const auto dtype = table.text("dtype");
  if (!dtype) return;
  if (*dtype == "int8" || *dtype == "int4") {
    table.wrong("dtype",
                fmt::format("\"{}\" is not supported yet; use auto, bf16, fp16 or fp32", *dtype));
  } else if (std::find(std::begin(kServed), std::end(kServed), *dtype) == std::end(kServed)) {
    table.wrong("dtype", fmt::format("expected auto, bf16, fp16 or fp32, not \"{}\"", *dtype));
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
  table.unserved("adapter", false);
  table.unserved("tensor_parallel_size",
                 table.integer("tensor_parallel_size", 1, 64).value_or(1) == 1);
  table.unserved("preload", !table.boolean("preload").value_or(false));
  table.unserved("pin", !table.boolean("pin").value_or(false));
  if (const auto* node = table.find("idle_grace")) {
    const bool is_never = node->value<std::string>() == "never";
    table.unserved("idle_grace",
                   !is_never && table.duration("idle_grace").value_or(milliseconds(30'000)) ==
                                    milliseconds(30'000));
  }
}

bool is_model_name(std::string_view name) {
  return !name.empty() && name.size() <= wire::kMaxModelNameBytes &&
         std::none_of(name.begin(), name.end(),
                      [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

ModelConfig read_model(std::string name, ConfigTable table, const std::filesystem::path& folder,
                       const std::vector<DeviceConfig>& devices) {
  ModelConfig model;
  model.name = std::move(name);
  if (const auto path = table.text("path")) {
    model.path = (folder / *path).lexically_normal().string();
  } else if (table.find("path") == nullptr) {
    table.wrong(
        "path",
        "missing: a model needs its folder, e.g. path = \"/srv/models/Qwen2.5-7B-Instruct\"");
  }
  read_dtype(table, model.dtype);
  read_auto_unload(table, model.auto_unload);
  model.context_tokens = table.integer("context_tokens", 1, kMostContextTokens).value_or(0);
  read_model_devices(table, devices, model);
  read_cap(table, devices, model);
  if (const auto users = table.texts("users")) model.users = resolve(table, "users", *users);
  read_unserved_model_keys(table);
  table.finish();
  return model;
}

LimitsConfig read_limits(ConfigTable table) {
  LimitsConfig limits;
  constexpr std::uint32_t kMost = 1u << 20;
  limits.leases = table.integer("leases", 0, kMost);
  limits.queued = table.integer("queued", 0, kMost);
  limits.connections = table.integer("connections", 0, kMost).value_or(limits.connections);
  limits.in_flight = table.integer("in_flight", 0, kMost).value_or(limits.in_flight);
  table.unserved("hold", false);
  table.unserved("device_memory", false);
  table.finish();
  return limits;
}

void read_host_cache(ConfigTable table) {
  if (const auto memory = table.size("memory")) table.unserved("memory", *memory == 0);
  table.finish();
}

// Walks the file: each section once, devices before the models that name them.
class Reader {
 public:
  Reader(const toml::table& root, const std::string& path, std::uint64_t machine_bytes)
      : root_(root),
        mistakes_(path),
        top_(root, "", mistakes_),
        folder_(std::filesystem::absolute(path).parent_path()),
        machine_bytes_(machine_bytes) {}

  Config read() {
    if (const auto* daemon = section("daemon"))
      config_.daemon = read_daemon({*daemon, "daemon", mistakes_});
    if (const auto* devices = section("devices")) read_devices(*devices);
    if (const auto* cache = section("host_cache"))
      read_host_cache({*cache, "host_cache", mistakes_});
    if (const auto* limits = section("limits"))
      config_.limits = read_limits({*limits, "limits", mistakes_});
    if (const auto* models = section("models")) read_models(*models);
    top_.finish();
    mistakes_.throw_if_any();
    return std::move(config_);
  }

 private:
  const toml::table* section(std::string_view name) {
    const toml::node* node = top_.find(name);
    if (node != nullptr && !node->is_table())
      top_.wrong(name, fmt::format("expected a table, written [{}]", name));
    return node != nullptr ? node->as_table() : nullptr;
  }

  void read_devices(const toml::table& devices) {
    std::uint64_t sum = 0;
    for (const auto& [key, node] : devices) {
      const std::string name(key.str());
      const std::string where = "devices." + name;
      const auto line = key.source().begin.line;
      if (name.starts_with("cuda") || name.starts_with("GPU-")) {
        mistakes_.add(line, where,
                      "GPU devices are not supported yet; this version serves \"cpu\"");
      } else if (!is_cpu_name(name)) {
        mistakes_.add(line, where,
                      "unknown device; expected \"cpu\", or \"cpu:N\" for one of several budgets");
      } else if (!node.is_table()) {
        mistakes_.add(line, where, fmt::format("expected a table, written [devices.\"{}\"]", name));
      } else {
        config_.devices.push_back(
            read_device(name, {*node.as_table(), where, mistakes_}, machine_bytes_));
        sum += config_.devices.back().memory_bytes;
      }
    }
    if (sum > machine_bytes_)
      mistakes_.add(devices.source().begin.line, "devices",
                    fmt::format("the CPU devices together have {}, more than this machine's "
                                "memory, {}; give them less",
                                format_size(sum), format_size(machine_bytes_)));
  }

  void read_models(const toml::table& models) {
    for (const auto& [key, node] : models) {
      const std::string name(key.str());
      const std::string where = "models." + name;
      const auto line = key.source().begin.line;
      if (!is_model_name(name)) {
        mistakes_.add(
            line, where,
            fmt::format("expected a name of 1 to {} bytes without spaces or control characters",
                        wire::kMaxModelNameBytes));
      } else if (!node.is_table()) {
        mistakes_.add(line, where, fmt::format("expected a table, written [models.\"{}\"]", name));
      } else {
        config_.models.push_back(
            read_model(name, {*node.as_table(), where, mistakes_}, folder_, config_.devices));
      }
    }
  }

  const toml::table& root_;
  Mistakes mistakes_;
  ConfigTable top_;
  std::filesystem::path folder_;
  std::uint64_t machine_bytes_;
  Config config_;
};

}  // namespace

Config read_config(std::string_view text, const std::string& path, std::uint64_t machine_bytes) {
  try {
    const toml::table root = toml::parse(text, path);
    return Reader(root, path, machine_bytes).read();
  } catch (const toml::parse_error& error) {
    throw ConfigError(
        fmt::format("{}:{}: not TOML: {}", path, error.source().begin.line, error.description()));
  }
}

Config read_config_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw ConfigError(
        fmt::format("{}: the configuration cannot be read: {}; name another file with --config",
                    path, std::generic_category().message(errno)));
  std::string text(kMostFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || std::filesystem::is_directory(path))
    throw ConfigError(
        fmt::format("{}: the configuration cannot be read: it is no regular file", path));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostFileBytes)
    throw ConfigError(
        fmt::format("{}: the configuration is longer than {}", path, format_size(kMostFileBytes)));
  return read_config(text, path, machine_memory_bytes());
}

std::uint64_t machine_memory_bytes() {
  struct sysinfo info {};
  return ::sysinfo(&info) == 0 ? std::uint64_t{info.totalram} * info.mem_unit : 0;
}

}  // namespace gpumodel::broker

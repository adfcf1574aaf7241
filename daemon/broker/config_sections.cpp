// The sections of the file but for its models.
#include <fmt/format.h>

#include <string>

#include "broker/config_sections.hpp"
#include "broker/quantities.hpp"

namespace gpumodel::broker {
namespace {

constexpr std::size_t kMostSocketPathBytes = 107;  // sockaddr_un::sun_path, less its terminator
const std::string kAdminGroup = "gpumodel-admin";

std::optional<mode_t> parse_mode(const std::string& text) {
  if (text.empty() || text.size() > 4 || text.find_first_not_of("01234567") != std::string::npos)
    return std::nullopt;
  const auto mode = static_cast<mode_t>(std::stoul(text, nullptr, 8));
  return mode <= 0777 ? std::optional<mode_t>(mode) : std::nullopt;
}

// Root always is one. The key's default names a group that a system need not have.
void read_admins(ConfigTable& table, DaemonConfig& daemon, const Directory& directory) {
  if (const auto names = table.texts("admins")) {
    daemon.admins = resolve_principals(table, "admins", *names, directory);
  } else if (const auto group = directory.group(kAdminGroup)) {
    daemon.admins.groups = {*group};
  }
  daemon.admins.users.push_back(0);
}

void read_socket(ConfigTable& table, DaemonConfig& daemon, const Directory& directory) {
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
    daemon.socket_group = directory.group(*group);
    if (!daemon.socket_group)
      table.wrong(
          "socket_group",
          fmt::format("no group \"{}\" on this system; create it or remove the key", *group));
  }
}

}  // namespace

DaemonConfig read_daemon_section(ConfigTable table, const Directory& directory) {
  DaemonConfig daemon;
  read_socket(table, daemon, directory);
  read_admins(table, daemon, directory);
  daemon.engine_grace = table.duration("engine_grace").value_or(daemon.engine_grace);
  daemon.max_wait = table.duration("max_wait").value_or(daemon.max_wait);
  daemon.drain_timeout = table.duration("drain_timeout").value_or(daemon.drain_timeout);
  daemon.hang_timeout = table.duration("hang_timeout").value_or(daemon.hang_timeout);
  daemon.residual_threshold_bytes =
      table.size("residual_threshold").value_or(daemon.residual_threshold_bytes);
  daemon.idle_grace = table.duration_or_never("idle_grace").value_or(daemon.idle_grace);
  daemon.min_residency = table.duration("min_residency").value_or(daemon.min_residency);
  if (auto path = table.text("metrics_textfile")) {
    if (path->front() != '/' || !path->ends_with(".prom") || path->ends_with("/.prom"))
      table.wrong(
          "metrics_textfile",
          "expected an absolute path that ends in \".prom\": node_exporter reads no others");
    daemon.metrics_textfile = *std::move(path);
  }
  table.finish();
  return daemon;
}

bool is_cpu_name(std::string_view name) {
  if (name == "cpu") return true;
  return name.starts_with("cpu:") && name.size() > 4 && name.size() <= 7 &&
         name.find_first_not_of("0123456789", 4) == std::string_view::npos;
}

DeviceConfig read_device_section(std::string name, ConfigTable table, std::uint64_t machine_bytes) {
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

LimitsConfig read_limits_section(ConfigTable table) {
  LimitsConfig limits;
  constexpr std::uint32_t kMost = 1u << 20;
  limits.leases = table.integer("leases", 0, kMost);
  limits.queued = table.integer("queued", 0, kMost);
  limits.connections = table.integer("connections", 0, kMost).value_or(limits.connections);
  limits.in_flight = table.integer("in_flight", 0, kMost).value_or(limits.in_flight);
  limits.hold = table.duration("hold");
  limits.device_memory_bytes = table.size("device_memory");
  table.finish();
  return limits;
}

std::uint64_t read_host_cache_section(ConfigTable table) {
  const auto memory = table.size("memory");
  table.finish();
  return memory.value_or(0);
}

// "alice" is a user, "@research" a group.
Principals resolve_principals(ConfigTable& table, std::string_view key,
                              const std::vector<std::string>& names, const Directory& directory) {
  Principals out;
  for (const std::string& name : names) {
    if (name.front() == '@') {
      if (const auto gid = directory.group(name.substr(1))) {
        out.groups.push_back(*gid);
      } else {
        table.wrong(key, fmt::format("no group \"{}\" on this system; create it or remove the name",
                                     name.substr(1)));
      }
    } else if (const auto uid = directory.user(name)) {
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

}  // namespace gpumodel::broker

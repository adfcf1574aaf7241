// The sections of the configuration, each a function over its table. What is wrong is noted with
// the table; a value comes back in any case, so that every mistake is found.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "broker/config.hpp"
#include "broker/config_table.hpp"

namespace gpumodel::broker {

DaemonConfig read_daemon_section(ConfigTable table, const Directory& directory);
// `machine_bytes`: half of it is what a CPU device has by default.
DeviceConfig read_device_section(std::string name, ConfigTable table, std::uint64_t machine_bytes);
LimitsConfig read_limits_section(ConfigTable table);
// The bytes of the host cache.
std::uint64_t read_host_cache_section(ConfigTable table);
// `so_far` has the daemon's section and the devices. Relative paths start in `folder`.
ModelConfig read_model_section(std::string name, ConfigTable table,
                               const std::filesystem::path& folder, const Config& so_far,
                               const Directory& directory);

bool is_cpu_name(std::string_view name);
bool is_model_name(std::string_view name);

// "alice" is a user, "@research" a group; a name that the system does not know is a mistake.
Principals resolve_principals(ConfigTable& table, std::string_view key,
                              const std::vector<std::string>& names, const Directory& directory);

}  // namespace gpumodel::broker

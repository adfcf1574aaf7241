// The configuration, read and checked whole (DESIGN.md section 9): values only, names resolved.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/principals.hpp"
#include "core/requests.hpp"
#include "wire/limits.hpp"

namespace gpumodel::broker {

inline constexpr std::string_view kDefaultConfigPath = "/etc/gpumodeld/gpumodeld.toml";

struct DaemonConfig {
  std::string socket = "/run/gpumodeld/api.sock";
  mode_t socket_mode = 0660;
  std::optional<gid_t> socket_group;  // nothing: the daemon's own
  Principals admins;                  // who may administrate; root without the key
  std::chrono::milliseconds engine_grace{60'000};
  std::chrono::milliseconds max_wait{600'000};
  std::chrono::milliseconds drain_timeout{30'000};
  std::chrono::milliseconds hang_timeout{120'000};  // of an engine
  std::chrono::milliseconds min_residency{15'000};
  std::optional<std::chrono::milliseconds> idle_grace{30'000};  // nothing: "never"
  std::uint64_t residual_threshold_bytes = 64u << 20;
  std::string metrics_textfile;  // absolute, ends in ".prom"; empty: none
};

struct DeviceConfig {
  std::string name;  // "cpu" or "cpu:N"
  std::string kind;  // "cpu"
  std::uint64_t memory_bytes = 0;
  std::uint64_t reserve_bytes = 0;
  bool operator==(const DeviceConfig&) const = default;
};

struct ModelConfig {
  std::string name;
  std::string path;          // absolute
  std::string adapter_path;  // absolute; empty: none
  std::string dtype = "auto";
  core::AutoUnload auto_unload;
  std::uint32_t context_tokens = 0;    // 0: the model's own, cut to what fits
  std::uint64_t memory_cap_bytes = 0;  // 0: none; from `memory` or `gpu_memory_utilization`
  std::vector<std::string> devices;    // names of configured devices, best first
  std::optional<Principals> users;     // nothing: everyone who can open the socket
  std::optional<std::chrono::milliseconds>
      idle_grace;  // its own, or the daemon's; nothing: "never"
  bool pin = false;
  bool preload = false;
  bool speculation = true;  // of its generations, by prompt lookup
};

// Whether an inspection of one says all that one of the other would.
inline bool reads_same_files(const ModelConfig& a, const ModelConfig& b) {
  return a.path == b.path && a.dtype == b.dtype && a.adapter_path == b.adapter_path;
}

// Per user; nothing: no limit of its own, 0: denied.
struct LimitsConfig {
  std::optional<std::uint32_t> leases;
  std::optional<std::uint32_t> queued;
  std::optional<std::chrono::milliseconds> hold;     // a lease, while others wait for its device
  std::optional<std::uint64_t> device_memory_bytes;  // of all the weights that its leases use
  std::uint32_t connections = wire::kMaxConnectionsPerUser;
  std::uint32_t in_flight = wire::kMaxInFlight;
};

struct Config {
  DaemonConfig daemon;
  std::vector<DeviceConfig> devices;
  std::uint64_t host_cache_bytes = 0;
  std::vector<ModelConfig> models;
  LimitsConfig limits;
};

// What the core needs to know of it.
core::CoreConfig core_config(const Config& config);

// One or more mistakes, a line of text each: "FILE:LINE: KEY: what was expected".
class ConfigError : public std::exception {
 public:
  explicit ConfigError(std::string text) : text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// `text` is the file's, `path` where it is from: it stands in errors, and relative model paths
// start in its folder. `machine_bytes` is the machine's memory: the default of CPU devices, and,
// less a reserve of a sixteenth and at most 1 GiB, the bound of them and the host cache together.
// Throws ConfigError with every mistake found.
Config read_config(std::string_view text, const std::string& path, std::uint64_t machine_bytes,
                   const Directory& directory = system_directory());

// Every key that read_config knows, as "daemon.socket", "devices.DEVICE.memory", "models.MODEL.path";
// sorted. For documents that must name all of them.
std::vector<std::string> config_keys();

// The file's text; ConfigError where it cannot be read.
std::string read_config_text(const std::string& path);
// Both.
Config read_config_file(const std::string& path);

// The machine's RAM.
std::uint64_t machine_memory_bytes();

}  // namespace gpumodel::broker

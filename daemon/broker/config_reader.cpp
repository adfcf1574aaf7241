// read_config: walks the sections of the file.
#include <fmt/format.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "broker/config.hpp"
#include "broker/config_sections.hpp"
#include "broker/quantities.hpp"

namespace gpumodel::broker {
namespace {

constexpr std::size_t kMostFileBytes = 4u << 20;
// What CPU devices and the host cache leave to the rest of the machine.
constexpr std::uint64_t kMostMachineReserveBytes = 1ull << 30;
constexpr std::uint64_t kMachineReserveShare = 16;

// Walks the file: each section once, devices before the models that name them.
class Reader {
 public:
  Reader(const toml::table& root, const std::string& path, std::uint64_t machine_bytes,
         const Directory& directory)
      : root_(root),
        mistakes_(path),
        top_(root, "", mistakes_),
        folder_(std::filesystem::absolute(path).parent_path()),
        machine_bytes_(machine_bytes),
        directory_(directory) {}

  Config read() {
    read_sections();
    mistakes_.throw_if_any();
    return std::move(config_);
  }

  // Of the sections that the file has.
  std::vector<std::string> known_keys() {
    read_sections();
    return mistakes_.take_known();
  }

 private:
  void read_sections() {
    const toml::table none;
    const auto* daemon = section("daemon");
    config_.daemon =
        read_daemon_section({daemon != nullptr ? *daemon : none, "daemon", mistakes_}, directory_);
    if (const auto* devices = section("devices")) read_devices(*devices);
    if (const auto* cache = section("host_cache"))
      config_.host_cache_bytes = read_host_cache_section({*cache, "host_cache", mistakes_});
    check_machine();
    if (const auto* limits = section("limits"))
      config_.limits = read_limits_section({*limits, "limits", mistakes_});
    if (const auto* models = section("models")) read_models(*models);
    top_.finish();
  }

  const toml::table* section(std::string_view name) {
    const toml::node* node = top_.find(name);
    if (node != nullptr && !node->is_table())
      top_.wrong(name, fmt::format("expected a table, written [{}]", name));
    return node != nullptr ? node->as_table() : nullptr;
  }

  void read_devices(const toml::table& devices) {
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
            read_device_section(name, {*node.as_table(), where, mistakes_}, machine_bytes_));
      }
    }
  }

  // Devices and cache are the machine's own memory; the rest of it must live, too.
  void check_machine() {
    std::uint64_t sum = config_.host_cache_bytes;
    for (const DeviceConfig& device : config_.devices) sum += device.memory_bytes;
    const std::uint64_t reserve =
        std::min(machine_bytes_ / kMachineReserveShare, kMostMachineReserveBytes);
    if (sum <= machine_bytes_ - reserve) return;
    const toml::node* at =
        root_.get("devices") != nullptr ? root_.get("devices") : root_.get("host_cache");
    mistakes_.add(at->source().begin.line, "devices",
                  fmt::format("the CPU devices and the host cache together have {}, more than this "
                              "machine's memory, {}, less a reserve of {}; give them less",
                              format_size(sum), format_size(machine_bytes_), format_size(reserve)));
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
        config_.models.push_back(read_model_section(name, {*node.as_table(), where, mistakes_},
                                                    folder_, config_, directory_));
      }
    }
  }

  const toml::table& root_;
  Mistakes mistakes_;
  ConfigTable top_;
  std::filesystem::path folder_;
  std::uint64_t machine_bytes_;
  const Directory& directory_;
  Config config_;
};

}  // namespace

Config read_config(std::string_view text, const std::string& path, std::uint64_t machine_bytes,
                   const Directory& directory) {
  try {
    const toml::table root = toml::parse(text, path);
    return Reader(root, path, machine_bytes, directory).read();
  } catch (const toml::parse_error& error) {
    throw ConfigError(
        fmt::format("{}:{}: not TOML: {}", path, error.source().begin.line, error.description()));
  }
}

std::vector<std::string> config_keys() {
  const toml::table root =
      toml::parse("[daemon]\n[devices.cpu]\n[host_cache]\n[models.MODEL]\n[limits]\n");
  std::vector<std::string> keys =
      Reader(root, "keys", machine_memory_bytes(), system_directory()).known_keys();
  for (std::string& key : keys)
    if (key.starts_with("devices.cpu")) key.replace(0, sizeof "devices.cpu" - 1, "devices.DEVICE");
  // Sections by themselves are no keys.
  std::erase_if(keys, [](const std::string& key) { return key.find('.') == std::string::npos; });
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::string read_config_text(const std::string& path) {
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
  return text;
}

Config read_config_file(const std::string& path) {
  return read_config(read_config_text(path), path, machine_memory_bytes());
}

std::uint64_t machine_memory_bytes() {
  struct sysinfo info {};
  return ::sysinfo(&info) == 0 ? std::uint64_t{info.totalram} * info.mem_unit : 0;
}

}  // namespace gpumodel::broker

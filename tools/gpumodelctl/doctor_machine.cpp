#include <dlfcn.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "gpumodelctl/captured.hpp"
#include "gpumodelctl/doctor.hpp"
#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/format.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::chrono::seconds kEngineWithin{20};
// As gpumodeld.service has it; below this a busy box runs out.
constexpr std::uint64_t kWantedFiles = 65536;
constexpr std::uint64_t kLeastFiles = 4096;

std::optional<std::string> text_of(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<std::uint64_t> whole(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

// What the dynamic linker finds for it: "NAME => PATH (ADDRESS)" a line.
std::string libraries_of(const std::string& program) {
  return capture({"env", "LD_TRACE_LOADED_OBJECTS=1", program}, kEngineWithin).out;
}

std::string torch_words(const std::string& libraries) {
  std::istringstream lines(libraries);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t arrow = line.find(" => ");
    if (line.find("libtorch_cpu.so") == std::string::npos || arrow == std::string::npos) continue;
    return "; libtorch is " + line.substr(arrow + 4, line.find(" (", arrow) - arrow - 4);
  }
  return "";
}

// The soft limit of a process; nothing: none, or unreadable.
std::optional<std::uint64_t> open_files_limit(const std::string& root, std::int64_t pid) {
  std::istringstream lines(text_of(fmt::format("{}/proc/{}/limits", root, pid)).value_or(""));
  constexpr std::string_view kName = "Max open files";
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(kName, 0) != 0) continue;
    const std::size_t begin = line.find_first_not_of(' ', kName.size());
    return begin == std::string::npos ? std::nullopt : whole(std::string_view(line).substr(begin));
  }
  return std::nullopt;
}

Finding files_finding(const std::string& root, std::optional<std::int64_t> daemon) {
  const std::string whose = daemon ? "the daemon" : "this shell";
  const auto limit = open_files_limit(root, daemon.value_or(::getpid()));
  if (!limit) return {"limits", Level::ok, "no limit of open files is known of " + whose, ""};
  const std::string text = fmt::format("{} may open {} files", whose, *limit);
  if (!daemon || *limit >= kLeastFiles) return {"limits", Level::ok, text, ""};
  return {"limits", Level::warn, text,
          fmt::format("LimitNOFILE={} in the unit, or `ulimit -n` where it is started by hand",
                      kWantedFiles)};
}

Finding pages_finding(const std::string& root) {
  const std::string modes = line_of(root + "/sys/kernel/mm/transparent_hugepage/enabled");
  if (modes.empty()) return {"limits", Level::ok, "this kernel has no transparent huge pages", ""};
  if (modes.find("[never]") == std::string::npos)
    return {"limits", Level::ok, "transparent huge pages can be had: " + modes, ""};
  return {"limits", Level::warn,
          "transparent huge pages are switched off: weights lie in small pages, which is slower",
          "`echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled`"};
}

// The smallest memory.max from the process's control group up to the root.
std::optional<std::uint64_t> memory_limit(const std::string& root, std::int64_t pid) {
  const std::string line = line_of(fmt::format("{}/proc/{}/cgroup", root, pid));
  if (line.rfind("0::/", 0) != 0) return std::nullopt;
  std::optional<std::uint64_t> least;
  for (fs::path group = line.substr(3);; group = group.parent_path()) {
    const auto limit = whole(line_of(root + "/sys/fs/cgroup" + group.string() + "/memory.max"));
    if (limit) least = least ? std::min(*least, *limit) : *limit;
    if (group == group.parent_path()) return least;
  }
}

// What the configuration lets the daemon's processes take of the machine's memory.
std::uint64_t promised_bytes(const ordered_json& status) {
  std::uint64_t sum = number(at(at(status, "host_cache"), "capacity_bytes"));
  for (const auto& device : at(status, "devices"))
    if (at(device, "kind") == "cpu") sum += number(at(device, "capacity_bytes"));
  return sum;
}

Finding memory_finding(const std::string& root, std::int64_t daemon, const ordered_json& status) {
  const auto limit = memory_limit(root, daemon);
  if (!limit) return {"limits", Level::ok, "no control group limits the daemon's memory", ""};
  const std::uint64_t promised = promised_bytes(status);
  const std::string text = fmt::format(
      "the daemon's control group may have {}; its CPU devices and host cache may take {}",
      format_bytes(*limit), format_bytes(promised));
  if (promised < *limit) return {"limits", Level::ok, text, ""};
  return {"limits", Level::fail, text,
          "raise MemoryMax of the unit and its slice, or give the devices and the host cache less "
          "memory in the configuration"};
}

}  // namespace

bool has_nvidia_gpu(const std::string& root) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root + "/sys/bus/pci/devices", error)) {
    // Display controllers (class 0x03) of NVIDIA (vendor 0x10de).
    if (line_of(entry.path() / "vendor") == "0x10de" &&
        line_of(entry.path() / "class").rfind("0x03", 0) == 0)
      return true;
  }
  return fs::exists(root + "/dev/nvidiactl", error);
}

Findings check_driver(const std::string& root) {
  if (!has_nvidia_gpu(root))
    return {{"driver", Level::ok, "no NVIDIA GPU here: models run on the CPU", ""}};
  const std::string version = line_of(root + "/proc/driver/nvidia/version");
  if (version.empty())
    return {{"driver", Level::fail, "there is an NVIDIA GPU, but its kernel driver is not loaded",
             "install the driver (Debian: nvidia-driver), or `modprobe nvidia`"}};
  Findings out{{"driver", Level::ok, version, ""}};
  void* const nvml = ::dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (nvml == nullptr) {
    out.push_back({"driver", Level::warn, "libnvidia-ml.so.1 cannot be loaded",
                   "install the driver's libraries of the same version (Debian: libnvidia-ml1)"});
  } else {
    ::dlclose(nvml);
  }
  return out;
}

Findings check_engine(const std::string& program) {
  const Captured version = capture({program, "--version"}, kEngineWithin);
  if (version.exit == 0) {
    std::string text = program + ", " + version.out.substr(0, version.out.find('\n'));
    return {{"engine", Level::ok, text + torch_words(libraries_of(program)), ""}};
  }
  const std::string why = version.err.substr(0, version.err.find('\n'));
  if (why.find("shared librar") != std::string::npos)  // the dynamic linker names the library
    return {{"engine", Level::fail, why,
             "install gpumodeld's package again: it carries the engine's libraries"}};
  return {{"engine", Level::fail,
           fmt::format("{} does not run: {}", program,
                       why.empty() ? fmt::format("exit status {}", version.exit) : why),
           "install gpumodeld's package, which has it"}};
}

Findings check_limits(const std::string& root, const ordered_json& status) {
  std::optional<std::int64_t> daemon;
  // A process number of another machine's, seen from a container, would be somebody else.
  if (const auto& pid = at(at(status, "daemon"), "pid"); pid.is_number())
    if (line_of(fmt::format("{}/proc/{}/comm", root, pid.get<std::int64_t>())) == "gpumodeld")
      daemon = pid.get<std::int64_t>();
  Findings out{files_finding(root, daemon), pages_finding(root)};
  if (daemon) out.push_back(memory_finding(root, *daemon, status));
  return out;
}

}  // namespace gpumodelctl

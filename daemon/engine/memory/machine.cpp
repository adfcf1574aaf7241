#include "engine/memory/machine.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include "os/fd.hpp"

namespace gpumodel::engine::memory {
namespace {

// Both files have a few KiB.
constexpr std::size_t kMostFileBytes = 64u << 10;

// Nothing where it is not there (any more) or may not be read.
std::optional<std::string> read_file(const std::string& path) {
  const os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::string text(kMostFileBytes, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;  // ESRCH: it ended after it was opened
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

// What follows "Name:" on its line, without the blanks before it.
std::optional<std::string_view> field(std::string_view text, std::string_view name) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.substr(0, name.size()) == name && line.substr(name.size(), 1) == ":") {
      const std::size_t value = line.find_first_not_of(" \t", name.size() + 1);
      return value == std::string_view::npos ? std::string_view() : line.substr(value);
    }
    at = end + 1;
  }
  return std::nullopt;
}

template <class Number>
std::optional<Number> leading_number(std::string_view text) {
  Number number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc())
    return std::nullopt;
  return number;
}

std::optional<std::uint64_t> kib_field(std::string_view text, std::string_view name) {
  const auto value = field(text, name);
  const auto kib = value ? leading_number<std::uint64_t>(*value) : std::nullopt;
  if (!kib) return std::nullopt;
  return *kib * 1024;
}

std::uint64_t meminfo_field(std::string_view meminfo, std::string_view name) {
  const auto bytes = kib_field(meminfo, name);
  if (!bytes)
    throw std::system_error(ENODATA, std::generic_category(),
                            "meminfo has no " + std::string(name));
  return *bytes;
}

// Nothing for a thread of the kernel, which has no memory of its own.
std::optional<MemoryHolder> parse_status(std::int64_t pid, std::string_view status) {
  const auto resident = kib_field(status, "VmRSS");
  const auto uids = field(status, "Uid");  // real, effective, saved, of the file system
  if (!resident || !uids) return std::nullopt;
  const std::string_view effective = uids->substr(std::min(uids->find('\t'), uids->size() - 1) + 1);
  return MemoryHolder{pid, leading_number<std::uint32_t>(effective).value_or(0),
                      std::string(field(status, "Name").value_or("")), *resident};
}

std::vector<std::int64_t> list_pids(const std::string& proc) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(proc.c_str()), ::closedir);
  if (!folder) throw std::system_error(errno, std::generic_category(), proc);
  std::vector<std::int64_t> pids;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name.find_first_not_of("0123456789") != std::string_view::npos) continue;
    if (const auto pid = leading_number<std::int64_t>(name)) pids.push_back(*pid);
  }
  return pids;
}

}  // namespace

std::uint64_t MachineMemory::foreign_bytes(std::uint64_t capacity_bytes) const {
  const std::uint64_t within_reach = available_bytes + ours_bytes;
  return capacity_bytes - std::min(capacity_bytes, within_reach);
}

MachineMemory read_machine_memory(const std::string& proc, const std::vector<std::int64_t>& ours,
                                  std::size_t most_holders) {
  const auto meminfo = read_file(proc + "/meminfo");
  if (!meminfo) throw std::system_error(errno, std::generic_category(), proc + "/meminfo");
  MachineMemory machine;
  machine.total_bytes = meminfo_field(*meminfo, "MemTotal");
  machine.available_bytes = meminfo_field(*meminfo, "MemAvailable");
  for (const std::int64_t pid : list_pids(proc)) {
    const auto status = read_file(proc + "/" + std::to_string(pid) + "/status");
    if (!status) continue;
    if (std::find(ours.begin(), ours.end(), pid) != ours.end()) {
      machine.ours_bytes +=
          kib_field(*status, "RssAnon").value_or(0) + kib_field(*status, "RssShmem").value_or(0);
    } else if (auto holder = parse_status(pid, *status)) {
      machine.holders.push_back(std::move(*holder));
    }
  }
  const std::size_t kept = std::min(most_holders, machine.holders.size());
  std::partial_sort(
      machine.holders.begin(), machine.holders.begin() + static_cast<std::ptrdiff_t>(kept),
      machine.holders.end(), [](const MemoryHolder& a, const MemoryHolder& b) {
        return std::pair(b.resident_bytes, a.pid) < std::pair(a.resident_bytes, b.pid);
      });
  machine.holders.resize(kept);
  return machine;
}

}  // namespace gpumodel::engine::memory

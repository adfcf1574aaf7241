#include "engine/device/cuda/memory/measurement.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace gpumodel::engine::device::cuda {
namespace {

// The first pid namespace's, in every kernel (PROC_PID_INIT_INO).
constexpr std::string_view kFirstNamespace = "pid:[4026531836]";

}  // namespace

DeviceUnload freed_between(const DeviceUse& before, const DeviceUse& after,
                           std::uint64_t expected_bytes) {
  DeviceUnload unload;
  unload.is_verified = before.process_bytes && after.process_bytes;
  const std::uint64_t had = unload.is_verified ? *before.process_bytes : before.device_bytes;
  const std::uint64_t has = unload.is_verified ? *after.process_bytes : after.device_bytes;
  unload.measure.expected_bytes = expected_bytes;
  unload.measure.freed_bytes = std::min(expected_bytes, had - std::min(had, has));
  unload.measure.residual_bytes = expected_bytes - unload.measure.freed_bytes;
  return unload;
}

std::optional<std::int64_t> system_wide_pid(const std::string& proc) {
  std::array<char, 64> link{};
  const ssize_t length = ::readlink((proc + "/self/ns/pid").c_str(), link.data(), link.size());
  if (length <= 0) return std::nullopt;
  if (std::string_view(link.data(), static_cast<std::size_t>(length)) != kFirstNamespace) {
    return std::nullopt;
  }
  return ::getpid();
}

DeviceMeter::DeviceMeter(const Context& context, const nvml::Nvml* nvml, std::string uuid,
                         std::optional<std::int64_t> pid)
    : context_(context), nvml_(nvml), uuid_(std::move(uuid)), pid_(pid) {}

DeviceUse DeviceMeter::read() const {
  const Context::Free memory = context_.free_memory();
  DeviceUse use;
  use.device_bytes = memory.total_bytes - std::min(memory.total_bytes, memory.free_bytes);
  if (nvml_ == nullptr || !pid_) return use;
  const auto processes = nvml_->processes(uuid_);
  if (!processes) return use;
  for (const nvml::ProcessUse& process : *processes) {
    if (process.pid == *pid_) use.process_bytes = process.used_bytes;
  }
  return use;
}

}  // namespace gpumodel::engine::device::cuda

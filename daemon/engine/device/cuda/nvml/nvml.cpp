#include "engine/device/cuda/nvml/nvml.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory>
#include <utility>

namespace gpumodel::engine::device::cuda::nvml {
namespace {

constexpr unsigned kMostTextBytes = 96;  // a name or a UUID with its terminator, at most
constexpr unsigned kMostProcesses = 65536;

// A list may grow between the question how long it is and the next.
constexpr int kListTries = 4;

using ListProcesses = Result (*)(DeviceHandle, unsigned*, ProcessInfo*);

std::optional<std::vector<ProcessInfo>> list(ListProcesses call, DeviceHandle device) {
  unsigned room = 64;
  for (int i = 0; i < kListTries; ++i) {
    std::vector<ProcessInfo> infos(room);
    unsigned count = room;
    const Result result = call(device, &count, infos.data());
    if (result == kSuccess && count <= room) {
      infos.resize(count);
      return infos;
    }
    if (result != kInsufficientSize || count > kMostProcesses) return std::nullopt;
    room = count + count / 2 + 1;
  }
  return std::nullopt;
}

std::optional<GpuEvent::Kind> kind_of(unsigned long long type) {
  switch (type) {
    case kEventXid:
      return GpuEvent::Kind::xid;
    case kEventSingleBitEcc:
      return GpuEvent::Kind::corrected_ecc;
    case kEventDoubleBitEcc:
      return GpuEvent::Kind::uncorrected_ecc;
    default:
      return std::nullopt;
  }
}

}  // namespace

Nvml::Nvml(const Library& library) : library_(library) { check(library_.init(), "nvmlInit"); }

Nvml::~Nvml() {
  if (events_ != nullptr) library_.event_set_free(events_);
  library_.shutdown();
}

void Nvml::check(Result result, const char* call) const {
  if (result == kSuccess) return;
  throw NvmlError(result, std::string(call) + ": " + library_.error_string(result));
}

std::vector<DeviceHandle> Nvml::handles() const {
  unsigned count = 0;
  check(library_.device_get_count(&count), "nvmlDeviceGetCount");
  std::vector<DeviceHandle> handles;
  for (unsigned i = 0; i < count; ++i) {
    DeviceHandle device = nullptr;
    const Result result = library_.device_get_handle_by_index(i, &device);
    if (result == kGpuIsLost || result == kNoPermission) continue;
    check(result, "nvmlDeviceGetHandleByIndex");
    handles.push_back(device);
  }
  return handles;
}

std::optional<std::string> Nvml::uuid_of(DeviceHandle device) const {
  std::array<char, kMostTextBytes> uuid{};
  if (library_.device_get_uuid(device, uuid.data(), kMostTextBytes - 1) != kSuccess) {
    return std::nullopt;
  }
  return uuid.data();
}

std::optional<GpuReading> Nvml::read(DeviceHandle device) const {
  std::array<char, kMostTextBytes> name{};
  PciInfo pci;
  MemoryInfo memory;
  const auto uuid = uuid_of(device);
  if (!uuid || library_.device_get_name(device, name.data(), kMostTextBytes - 1) != kSuccess ||
      library_.device_get_pci_info(device, &pci) != kSuccess ||
      library_.device_get_memory_info(device, &memory) != kSuccess) {
    return std::nullopt;
  }
  pci.bus_id[sizeof pci.bus_id - 1] = '\0';
  return GpuReading{*uuid, pci.bus_id, name.data(), memory.total, memory.used};
}

std::vector<GpuReading> Nvml::gpus() const {
  std::vector<GpuReading> gpus;
  for (const DeviceHandle device : handles()) {
    if (auto gpu = read(device)) gpus.push_back(std::move(*gpu));
  }
  std::sort(gpus.begin(), gpus.end(),
            [](const GpuReading& a, const GpuReading& b) { return a.pci_bus_id < b.pci_bus_id; });
  return gpus;
}

std::optional<DeviceHandle> Nvml::find(const std::string& uuid) const {
  for (const DeviceHandle device : handles()) {
    if (uuid_of(device) == uuid) return device;
  }
  return std::nullopt;
}

std::optional<std::vector<ProcessUse>> Nvml::processes(const std::string& uuid) const {
  const auto device = find(uuid);
  if (!device) return std::nullopt;
  const auto computing = list(library_.device_get_compute_processes, *device);
  if (!computing) return std::nullopt;
  // A process that does both stands in both lists, with all of its memory in each.
  const auto drawing = list(library_.device_get_graphics_processes, *device);
  std::map<std::int64_t, std::optional<std::uint64_t>> uses;
  for (const auto& infos : {computing, drawing}) {
    for (const ProcessInfo& info : infos.value_or(std::vector<ProcessInfo>{})) {
      auto& use = uses[info.pid];
      if (info.used_bytes == kValueNotAvailable) continue;
      use = std::max<std::uint64_t>(use.value_or(0), info.used_bytes);
    }
  }
  std::vector<ProcessUse> processes;
  for (const auto& [pid, used_bytes] : uses) processes.push_back({pid, used_bytes});
  return processes;
}

// A set that only some GPUs are in is none: the next call tries again.
void Nvml::listen() {
  EventSet made = nullptr;
  check(library_.event_set_create(&made), "nvmlEventSetCreate");
  std::unique_ptr<OpaqueEventSet, Result (*)(EventSet)> set(made, library_.event_set_free);
  for (const DeviceHandle device : handles()) {
    unsigned long long types = 0;
    if (library_.device_get_supported_events(device, &types) != kSuccess) continue;
    types &= kEventXid | kEventSingleBitEcc | kEventDoubleBitEcc;
    if (types == 0) continue;
    const Result result = library_.device_register_events(device, types, set.get());
    if (result != kNotSupported) check(result, "nvmlDeviceRegisterEvents");
  }
  events_ = set.release();
}

std::optional<GpuEvent> Nvml::next_event(std::chrono::milliseconds within) {
  if (events_ == nullptr) listen();
  EventData data;
  const auto most = std::chrono::milliseconds(std::numeric_limits<int>::max());
  const auto wait = std::clamp(within, std::chrono::milliseconds(0), most);
  const Result result =
      library_.event_set_wait(events_, &data, static_cast<unsigned>(wait.count()));
  if (result == kTimeout) return std::nullopt;
  check(result, "nvmlEventSetWait");
  const auto kind = kind_of(data.type);
  if (!kind) return std::nullopt;
  return GpuEvent{*kind, uuid_of(data.device).value_or(""),
                  *kind == GpuEvent::Kind::xid ? data.data : 0};
}

}  // namespace gpumodel::engine::device::cuda::nvml

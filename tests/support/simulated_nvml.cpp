#include "support/simulated_nvml.hpp"

#include <cstdio>

namespace gpumodel::tests {
namespace {

namespace nvml = engine::device::cuda::nvml;

SimulatedNvml* current = nullptr;

nvml::Result failure_of(const char* entry) {
  const auto found = current->failures.find(entry);
  return found == current->failures.end() ? nvml::kSuccess : found->second;
}

nvml::DeviceHandle handle_of(std::size_t index) {
  return reinterpret_cast<nvml::DeviceHandle>(&current->gpus[index]);
}
SimulatedNvml::Gpu& gpu_of(nvml::DeviceHandle handle) {
  return *reinterpret_cast<SimulatedNvml::Gpu*>(handle);
}

nvml::Result put(const std::string& text, char* to, unsigned length) {
  if (text.size() + 1 > length) return nvml::kInsufficientSize;
  std::snprintf(to, length, "%s", text.c_str());
  return nvml::kSuccess;
}

// As NVML does: the room comes in, the number goes out, whether it fits or not.
nvml::Result list(std::vector<nvml::ProcessInfo>& all, unsigned* count, nvml::ProcessInfo* to) {
  for (unsigned i = 0; i < current->arriving; ++i) all.push_back({100000 + i, 1, 0, 0});
  const unsigned room = *count;
  *count = static_cast<unsigned>(all.size());
  if (all.size() > room) return nvml::kInsufficientSize;
  std::copy(all.begin(), all.end(), to);
  return nvml::kSuccess;
}

nvml::Result init() {
  if (const nvml::Result result = failure_of("init"); result != nvml::kSuccess) return result;
  ++current->users;
  return nvml::kSuccess;
}
nvml::Result shutdown() {
  --current->users;
  return nvml::kSuccess;
}
const char* error_string(nvml::Result) { return "as the test said"; }

nvml::Result get_count(unsigned* count) {
  *count = static_cast<unsigned>(current->gpus.size());
  return failure_of("device_get_count");
}
nvml::Result get_handle(unsigned index, nvml::DeviceHandle* device) {
  if (current->gpus[index].is_lost) return nvml::kGpuIsLost;
  *device = handle_of(index);
  return failure_of("device_get_handle_by_index");
}
nvml::Result get_name(nvml::DeviceHandle device, char* name, unsigned length) {
  return put(gpu_of(device).name, name, length);
}
nvml::Result get_uuid(nvml::DeviceHandle device, char* uuid, unsigned length) {
  return put(gpu_of(device).uuid, uuid, length);
}
nvml::Result get_pci_info(nvml::DeviceHandle device, nvml::PciInfo* info) {
  return put(gpu_of(device).pci_bus_id, info->bus_id, sizeof info->bus_id);
}
nvml::Result get_memory_info(nvml::DeviceHandle device, nvml::MemoryInfo* info) {
  *info = gpu_of(device).memory;
  return failure_of("device_get_memory_info");
}
nvml::Result get_computing(nvml::DeviceHandle device, unsigned* count, nvml::ProcessInfo* to) {
  if (const auto result = failure_of("device_get_compute_processes"); result != nvml::kSuccess)
    return result;
  return list(gpu_of(device).computing, count, to);
}
nvml::Result get_drawing(nvml::DeviceHandle device, unsigned* count, nvml::ProcessInfo* to) {
  if (const auto result = failure_of("device_get_graphics_processes"); result != nvml::kSuccess)
    return result;
  return list(gpu_of(device).drawing, count, to);
}
nvml::Result get_events(nvml::DeviceHandle device, unsigned long long* types) {
  *types = gpu_of(device).events;
  return nvml::kSuccess;
}
nvml::Result register_events(nvml::DeviceHandle device, unsigned long long types, nvml::EventSet) {
  if (const auto result = failure_of("device_register_events"); result != nvml::kSuccess)
    return result;
  gpu_of(device).registered |= types;
  return nvml::kSuccess;
}
nvml::Result create_set(nvml::EventSet* set) {
  ++current->event_sets;
  *set = reinterpret_cast<nvml::EventSet>(current);
  return nvml::kSuccess;
}
nvml::Result wait(nvml::EventSet, nvml::EventData* data, unsigned) {
  if (const auto result = failure_of("event_set_wait"); result != nvml::kSuccess) return result;
  while (!current->events.empty()) {
    const SimulatedNvml::Event event = current->events.front();
    current->events.pop_front();
    if ((current->gpus[event.gpu].registered & event.type) == 0) continue;
    *data = {handle_of(event.gpu), event.type, event.data, 0, 0};
    return nvml::kSuccess;
  }
  return nvml::kTimeout;
}
nvml::Result free_set(nvml::EventSet) {
  --current->event_sets;
  return nvml::kSuccess;
}

}  // namespace

SimulatedNvml::SimulatedNvml(std::vector<Gpu> there) : gpus(std::move(there)) {
  current = this;
  table_ = {init,        shutdown,   error_string,    get_count,       get_handle,
            get_name,    get_uuid,   get_pci_info,    get_memory_info, get_computing,
            get_drawing, get_events, register_events, create_set,      wait,
            free_set};
}

SimulatedNvml::~SimulatedNvml() { current = nullptr; }

}  // namespace gpumodel::tests

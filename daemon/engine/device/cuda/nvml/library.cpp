#include "engine/device/cuda/nvml/library.hpp"

#include <dlfcn.h>

#include "engine/device/cuda/symbols.hpp"

namespace gpumodel::engine::device::cuda::nvml {
std::variant<Library, NoLibrary> open_library(const char* library) {
  void* opened = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) return NoLibrary{::dlerror()};
  Symbols symbols(opened);
  Library table;
  symbols.find(table.init, {"nvmlInit_v2"});
  symbols.find(table.shutdown, {"nvmlShutdown"});
  symbols.find(table.error_string, {"nvmlErrorString"});
  symbols.find(table.device_get_count, {"nvmlDeviceGetCount_v2"});
  symbols.find(table.device_get_handle_by_index, {"nvmlDeviceGetHandleByIndex_v2"});
  symbols.find(table.device_get_name, {"nvmlDeviceGetName"});
  symbols.find(table.device_get_uuid, {"nvmlDeviceGetUUID"});
  symbols.find(table.device_get_pci_info, {"nvmlDeviceGetPciInfo_v3"});
  symbols.find(table.device_get_memory_info, {"nvmlDeviceGetMemoryInfo"});
  symbols.find(table.device_get_compute_processes, {"nvmlDeviceGetComputeRunningProcesses_v3",
                                                    "nvmlDeviceGetComputeRunningProcesses_v2"});
  symbols.find(table.device_get_graphics_processes, {"nvmlDeviceGetGraphicsRunningProcesses_v3",
                                                     "nvmlDeviceGetGraphicsRunningProcesses_v2"});
  symbols.find(table.device_get_supported_events, {"nvmlDeviceGetSupportedEventTypes"});
  symbols.find(table.device_register_events, {"nvmlDeviceRegisterEvents"});
  symbols.find(table.event_set_create, {"nvmlEventSetCreate"});
  symbols.find(table.event_set_wait, {"nvmlEventSetWait_v2"});
  symbols.find(table.event_set_free, {"nvmlEventSetFree"});
  if (!symbols.missing().empty()) {
    return NoLibrary{std::string(library) + " is too old: it lacks " + symbols.missing()};
  }
  return table;
}

}  // namespace gpumodel::engine::device::cuda::nvml

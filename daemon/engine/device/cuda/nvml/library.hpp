// The calls of NVML that the engine uses, as a table, and as much of their binary interface as they
// need. NVML comes with the driver and promises that what carries a version stays as it is; its
// header comes with a toolkit that a build need not have.
#pragma once

#include <string>
#include <variant>

namespace gpumodel::engine::device::cuda::nvml {

using Result = int;
inline constexpr Result kSuccess = 0;
inline constexpr Result kNotSupported = 3;
inline constexpr Result kNoPermission = 4;
inline constexpr Result kInsufficientSize = 7;
inline constexpr Result kTimeout = 10;
inline constexpr Result kGpuIsLost = 15;

inline constexpr unsigned long long kEventSingleBitEcc = 0x1;
inline constexpr unsigned long long kEventDoubleBitEcc = 0x2;
inline constexpr unsigned long long kEventXid = 0x8;

inline constexpr unsigned long long kValueNotAvailable = ~0ull;

using DeviceHandle = struct OpaqueDevice*;
using EventSet = struct OpaqueEventSet*;

struct MemoryInfo {  // bytes
  unsigned long long total = 0;
  unsigned long long free = 0;
  unsigned long long used = 0;
};

struct PciInfo {  // since version 3
  char short_bus_id[16] = {};
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned device = 0;
  unsigned device_id = 0;
  unsigned subsystem_id = 0;
  char bus_id[32] = {};
};

struct ProcessInfo {  // since version 2
  unsigned pid = 0;
  unsigned long long used_bytes = 0;
  unsigned gpu_instance = 0;
  unsigned compute_instance = 0;
};

struct EventData {  // since version 2
  DeviceHandle device = nullptr;
  unsigned long long type = 0;
  unsigned long long data = 0;
  unsigned gpu_instance = 0;
  unsigned compute_instance = 0;
};

// None is null in a table that is in use. A table is a value: it owns nothing.
struct Library {
  Result (*init)() = nullptr;
  Result (*shutdown)() = nullptr;
  const char* (*error_string)(Result) = nullptr;
  Result (*device_get_count)(unsigned* count) = nullptr;
  Result (*device_get_handle_by_index)(unsigned index, DeviceHandle*) = nullptr;
  Result (*device_get_name)(DeviceHandle, char*, unsigned length) = nullptr;
  Result (*device_get_uuid)(DeviceHandle, char*, unsigned length) = nullptr;
  Result (*device_get_pci_info)(DeviceHandle, PciInfo*) = nullptr;
  Result (*device_get_memory_info)(DeviceHandle, MemoryInfo*) = nullptr;
  Result (*device_get_compute_processes)(DeviceHandle, unsigned* count, ProcessInfo*) = nullptr;
  Result (*device_get_graphics_processes)(DeviceHandle, unsigned* count, ProcessInfo*) = nullptr;
  Result (*device_get_supported_events)(DeviceHandle, unsigned long long* types) = nullptr;
  Result (*device_register_events)(DeviceHandle, unsigned long long types, EventSet) = nullptr;
  Result (*event_set_create)(EventSet*) = nullptr;
  Result (*event_set_wait)(EventSet, EventData*, unsigned timeout_ms) = nullptr;
  Result (*event_set_free)(EventSet) = nullptr;
};

// There is no NVML; says why, for a report.
struct NoLibrary {
  std::string why;
};

inline constexpr const char* kLibrary = "libnvidia-ml.so.1";

// This machine's. It is never unloaded, and not yet initialised.
std::variant<Library, NoLibrary> open_library(const char* library = kLibrary);

}  // namespace gpumodel::engine::device::cuda::nvml

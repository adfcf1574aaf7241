#include "engine/device/cuda/driver/driver.hpp"

#include <dlfcn.h>

#include "engine/device/cuda/driver/error.hpp"
#include "engine/device/cuda/symbols.hpp"

// What the library calls it: cuda.h maps a plain name to its version (cuMemGetInfo_v2).
#define GPUMODEL_SYMBOL_OF(call) #call
#define GPUMODEL_SYMBOL(call) GPUMODEL_SYMBOL_OF(call)

namespace gpumodel::engine::device::cuda {
namespace {

void find_devices(Symbols& symbols, Driver& driver) {
  symbols.find(driver.get_error_name, {GPUMODEL_SYMBOL(cuGetErrorName)});
  symbols.find(driver.get_error_string, {GPUMODEL_SYMBOL(cuGetErrorString)});
  symbols.find(driver.init, {GPUMODEL_SYMBOL(cuInit)});
  symbols.find(driver.driver_get_version, {GPUMODEL_SYMBOL(cuDriverGetVersion)});
  symbols.find(driver.device_get_count, {GPUMODEL_SYMBOL(cuDeviceGetCount)});
  symbols.find(driver.device_get, {GPUMODEL_SYMBOL(cuDeviceGet)});
  symbols.find(driver.device_get_name, {GPUMODEL_SYMBOL(cuDeviceGetName)});
  symbols.find(driver.device_get_uuid, {GPUMODEL_SYMBOL(cuDeviceGetUuid)});
  symbols.find(driver.device_get_pci_bus_id, {GPUMODEL_SYMBOL(cuDeviceGetPCIBusId)});
  symbols.find(driver.device_get_attribute, {GPUMODEL_SYMBOL(cuDeviceGetAttribute)});
  symbols.find(driver.device_total_mem, {GPUMODEL_SYMBOL(cuDeviceTotalMem)});
  symbols.find(driver.primary_ctx_retain, {GPUMODEL_SYMBOL(cuDevicePrimaryCtxRetain)});
  symbols.find(driver.primary_ctx_release, {GPUMODEL_SYMBOL(cuDevicePrimaryCtxRelease)});
  symbols.find(driver.ctx_set_current, {GPUMODEL_SYMBOL(cuCtxSetCurrent)});
  symbols.find(driver.ctx_synchronize, {GPUMODEL_SYMBOL(cuCtxSynchronize)});
}

void find_memory(Symbols& symbols, Driver& driver) {
  symbols.find(driver.mem_get_info, {GPUMODEL_SYMBOL(cuMemGetInfo)});
  symbols.find(driver.mem_get_allocation_granularity,
               {GPUMODEL_SYMBOL(cuMemGetAllocationGranularity)});
  symbols.find(driver.mem_address_reserve, {GPUMODEL_SYMBOL(cuMemAddressReserve)});
  symbols.find(driver.mem_address_free, {GPUMODEL_SYMBOL(cuMemAddressFree)});
  symbols.find(driver.mem_create, {GPUMODEL_SYMBOL(cuMemCreate)});
  symbols.find(driver.mem_release, {GPUMODEL_SYMBOL(cuMemRelease)});
  symbols.find(driver.mem_map, {GPUMODEL_SYMBOL(cuMemMap)});
  symbols.find(driver.mem_unmap, {GPUMODEL_SYMBOL(cuMemUnmap)});
  symbols.find(driver.mem_set_access, {GPUMODEL_SYMBOL(cuMemSetAccess)});
  symbols.find(driver.mem_export_to_shareable_handle,
               {GPUMODEL_SYMBOL(cuMemExportToShareableHandle)});
}

void find_copies(Symbols& symbols, Driver& driver) {
  symbols.find(driver.mem_host_alloc, {GPUMODEL_SYMBOL(cuMemHostAlloc)});
  symbols.find(driver.mem_free_host, {GPUMODEL_SYMBOL(cuMemFreeHost)});
  symbols.find(driver.mem_host_register, {GPUMODEL_SYMBOL(cuMemHostRegister)});
  symbols.find(driver.mem_host_unregister, {GPUMODEL_SYMBOL(cuMemHostUnregister)});
  symbols.find(driver.stream_create, {GPUMODEL_SYMBOL(cuStreamCreate)});
  symbols.find(driver.stream_destroy, {GPUMODEL_SYMBOL(cuStreamDestroy)});
  symbols.find(driver.stream_synchronize, {GPUMODEL_SYMBOL(cuStreamSynchronize)});
  symbols.find(driver.event_create, {GPUMODEL_SYMBOL(cuEventCreate)});
  symbols.find(driver.event_destroy, {GPUMODEL_SYMBOL(cuEventDestroy)});
  symbols.find(driver.event_record, {GPUMODEL_SYMBOL(cuEventRecord)});
  symbols.find(driver.event_synchronize, {GPUMODEL_SYMBOL(cuEventSynchronize)});
  symbols.find(driver.memcpy_htod_async, {GPUMODEL_SYMBOL(cuMemcpyHtoDAsync)});
}

}  // namespace

std::variant<Driver, NoDriver> open_driver(const char* library) {
  void* opened = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) return NoDriver{::dlerror()};
  Symbols symbols(opened);
  Driver driver;
  find_devices(symbols, driver);
  find_memory(symbols, driver);
  find_copies(symbols, driver);
  if (!symbols.missing().empty()) {
    return NoDriver{std::string(library) + " is too old: it lacks " + symbols.missing()};
  }
  if (const CUresult result = driver.init(0); result != CUDA_SUCCESS) {
    return NoDriver{error_text(driver, result, "cuInit")};
  }
  return driver;
}

}  // namespace gpumodel::engine::device::cuda

// The GPUs that the driver shows to this process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/device/cuda/driver/driver.hpp"

namespace gpumodel::engine::device::cuda {

struct Gpu {
  CUdevice device = 0;  // the driver's own number, which an environment variable may permute
  std::string name;
  std::string uuid;        // "GPU-" and 36 characters, as NVML writes it
  std::string pci_bus_id;  // "00000000:3B:00.0", as NVML writes it
  std::uint64_t total_bytes = 0;
  bool maps_memory = false;     // has the virtual memory calls that arenas need
  bool exports_memory = false;  // a handle of memory can become a file descriptor
};

// In the order of the PCI bus, so that "cuda:N" means the same GPU to every program. Throws
// CudaError.
std::vector<Gpu> list_gpus(const Driver& driver);

// Both programs' ways of writing a PCI address ("0000:3b:00.0") as one; anything else unchanged.
std::string normal_pci_bus_id(std::string_view text);

}  // namespace gpumodel::engine::device::cuda

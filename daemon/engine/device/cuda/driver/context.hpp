// This process's state on one GPU.
#pragma once

#include <cstdint>

#include "engine/device/cuda/driver/driver.hpp"

namespace gpumodel::engine::device::cuda {

// The GPU's primary context, which everything else in the process shares. The context has memory of
// its own on the device, some hundreds of MiB. Not moved, because others refer to it; the table
// must outlive it.
class Context {
 public:
  // Throws OutOfMemory and CudaError. The context is current on the calling thread afterwards.
  Context(const Driver& driver, CUdevice device);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Driver& driver() const { return driver_; }
  CUdevice device() const { return device_; }

  // Makes it the calling thread's, as every call on memory, streams and events needs. Throws
  // CudaError.
  void enter() const;
  // The same in a destructor, where an error has been told before or the process ends.
  void enter_to_clean_up() const noexcept;

  // Waits for all work of this process on the GPU. Throws CudaError, perhaps for work long begun.
  void synchronize() const;

  struct Free {
    std::uint64_t free_bytes = 0;
    std::uint64_t total_bytes = 0;
  };
  // Of the whole device, whoever has the rest. Throws CudaError.
  Free free_memory() const;

 private:
  const Driver& driver_;
  CUdevice device_;
  CUcontext context_ = nullptr;
};

}  // namespace gpumodel::engine::device::cuda

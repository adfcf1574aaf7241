// One contiguous range of a GPU's addresses for one purpose, with as much memory behind it as it
// needs now.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/device/cuda/memory/handle_pool.hpp"
#include "engine/device/cuda/memory/measurement.hpp"

namespace gpumodel::engine::device::cuda {

// The addresses belong to the arena from construction to destruction, with memory or without:
// views and captured graphs are good again once the same bytes are. Memory is mapped from the
// beginning on, without gaps. Not copied; moving keeps the address. One thread at a time; the pool
// must outlive it.
class DeviceArena {
 public:
  // Reserves addresses for `most_bytes`, rounded up to whole handles, and no memory. Throws
  // OutOfMemory, which names `name`, where the address space refuses, CudaError, and
  // std::length_error.
  DeviceArena(HandlePool& pool, std::string name, std::uint64_t most_bytes);
  DeviceArena(DeviceArena&& other) noexcept;
  DeviceArena& operator=(DeviceArena&& other) = delete;
  ~DeviceArena();

  CUdeviceptr address() const { return address_; }  // 0 if empty
  std::uint64_t most_bytes() const { return most_bytes_; }
  std::uint64_t mapped_bytes() const { return handles_.size() * pool_->handle_bytes(); }

  // Where [offset, offset + bytes) lies. Throws std::out_of_range where not all of it is mapped.
  CUdeviceptr at(std::uint64_t offset, std::uint64_t bytes) const;

  // Maps the first `bytes`, rounded up to whole handles; what is mapped stays, what is new holds
  // anything. All or nothing. Throws OutOfMemory, CudaError, and std::length_error beyond
  // most_bytes.
  void grow(std::uint64_t bytes);

  // Waits for the GPU, then unmaps all handles that the first `bytes` do not need, into the pool,
  // where they stay warm for the next or not. Throws CudaError, after which some may be unmapped.
  void shrink(std::uint64_t bytes);

  // Waits for the GPU, unmaps everything and gives it back to the device and the budget: in that
  // order and measured before and after. Whoever captured or views something must have stopped
  // using it. A second call measures nothing and returns zeros. Throws CudaError.
  DeviceUnload release(const DeviceMeter& meter);

  // The mapped memory in order, for another process to map. Throws as Handle::export_fd.
  std::vector<os::Fd> export_fds() const;

 private:
  void map(const std::vector<Handle>& handles, std::uint64_t offset);
  std::vector<Handle> unmap_from(std::size_t first);

  HandlePool* pool_;
  std::string name_;
  std::uint64_t most_bytes_;
  CUdeviceptr address_ = 0;
  std::vector<Handle> handles_;  // mapped one after the other
};

}  // namespace gpumodel::engine::device::cuda

// Physical memory of a GPU in handles of one size, so that what one arena gives up fits the next.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "engine/device/cuda/driver/context.hpp"
#include "engine/memory/budget.hpp"
#include "os/fd.hpp"

namespace gpumodel::engine::device::cuda {

// Physical memory that is ours, mapped somewhere or not, and its share of the budget. Move-only.
// The context must outlive it.
class Handle {
 public:
  Handle(const Context& context, CUmemGenericAllocationHandle handle,
         memory::Reservation reservation) noexcept;
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle();

  CUmemGenericAllocationHandle get() const { return handle_; }

  // Gives the memory back to the device, where it is free once nothing maps it and nobody else has
  // imported it. Throws CudaError, and is empty all the same.
  void release();

  // For another process to import; close-on-exec. Throws OutOfMemory, CudaError and
  // std::system_error.
  os::Fd export_fd() const;

 private:
  void drop() noexcept;

  const Context* context_;
  CUmemGenericAllocationHandle handle_;
  bool is_held_ = true;
  memory::Reservation reservation_;
};

// Hands out handles, and keeps some of those that come back warm: to create one costs as much time
// as to fill it. Warm handles count as used in the budget, and make way for whoever needs their
// bytes. Safe from any thread. Context and budget must outlive it, and it whoever has its handles.
class HandlePool {
 public:
  // Large enough that a model has some hundreds, small enough that the last one wastes little.
  static constexpr std::uint64_t kHandleBytes = std::uint64_t{32} << 20;

  struct Options {
    std::uint64_t handle_bytes = kHandleBytes;  // rounded up to the device's granularity; not 0
    std::uint64_t most_warm_bytes = 0;
    bool is_exportable = true;  // false where the GPU cannot
  };
  // Throws CudaError, and std::length_error where handle_bytes cannot be rounded up.
  HandlePool(const Context& context, memory::Budget& budget, const Options& options);
  HandlePool(const HandlePool&) = delete;
  HandlePool& operator=(const HandlePool&) = delete;

  const Context& context() const { return context_; }
  std::uint64_t handle_bytes() const { return handle_bytes_; }
  std::uint64_t warm_bytes() const;

  // `bytes` rounded up to whole handles. Throws std::length_error where no number is that large.
  std::uint64_t round_to_handles(std::uint64_t bytes) const;

  // So many, warm ones first; all or none. Throws OutOfMemory, which names `what_for`, where the
  // budget or the device refuses, and CudaError.
  std::vector<Handle> take(std::size_t count, const std::string& what_for);

  // Keeps them warm as far as most_warm_bytes goes, and releases the rest. None may be mapped.
  void keep_warm(std::vector<Handle> handles) noexcept;

  // Releases warm handles of at least `bytes` together, or all; returns how many bytes they were.
  // Throws CudaError.
  std::uint64_t give_back(std::uint64_t bytes);

  // From the budget, for what is not made of handles; warm ones make way. Throws OutOfMemory and
  // CudaError.
  memory::Reservation reserve(std::uint64_t bytes, const std::string& what_for);

 private:
  CUmemAllocationProp properties() const;
  Handle create(const std::string& what_for);

  const Context& context_;
  memory::Budget& budget_;
  const bool is_exportable_;
  std::uint64_t handle_bytes_;
  std::size_t most_warm_;  // handles
  mutable std::mutex mutex_;
  std::vector<Handle> warm_;  // never reallocated: most_warm_ are reserved
};

}  // namespace gpumodel::engine::device::cuda

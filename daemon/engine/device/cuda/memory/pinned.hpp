// Host memory that a GPU reads by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/device/cuda/driver/context.hpp"

namespace gpumodel::engine::device::cuda {

// Memory of the driver's, locked in place. The context must outlive it and be current on the thread
// that makes it. Not moved: others refer to it.
class PinnedMemory {
 public:
  // `is_write_combined`: past the processor's caches, which makes reading it very slow. Throws
  // OutOfMemory and CudaError.
  PinnedMemory(const Context& context, std::uint64_t bytes, bool is_write_combined);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  std::span<std::byte> bytes() const { return bytes_; }

 private:
  const Context& context_;
  std::span<std::byte> bytes_;
};

// Memory of the caller's, such as a mapped memfd, locked in place until destruction: no copy into a
// ring, but to lock it costs about as much, so it pays for what is copied more than once. As
// PinnedMemory otherwise; the memory must outlive it.
class RegisteredMemory {
 public:
  // `is_read_only`: the mapping may not be written, which not every GPU can register. Throws
  // OutOfMemory and CudaError.
  RegisteredMemory(const Context& context, std::span<const std::byte> bytes, bool is_read_only);
  ~RegisteredMemory();
  RegisteredMemory(const RegisteredMemory&) = delete;
  RegisteredMemory& operator=(const RegisteredMemory&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  const Context& context_;
  std::span<const std::byte> bytes_;
};

}  // namespace gpumodel::engine::device::cuda

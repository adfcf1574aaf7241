// Copies from host memory and files to a GPU, beside whatever it computes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/device/cuda/driver/stream.hpp"
#include "engine/device/cuda/memory/pinned.hpp"

namespace gpumodel::engine::device::cuda {

struct CopyOptions {
  std::stop_token stop;                         // looked at before every slice
  std::function<void(std::uint64_t)> progress;  // bytes under way so far; may throw, ends the copy
};

enum class CopyEnd { done, stopped };

// A small ring of pinned slices with a stream of its own: while the GPU fetches one slice the next
// is filled. A copy returns, or throws, after the GPU is done with all that it was given, so that
// source and target may go. Pages of the host stay pageable and no allocation grows with the copy.
// One thread at a time; any thread. The context must outlive it.
class CopyRing {
 public:
  struct Options {
    std::uint64_t slice_bytes = std::uint64_t{4} << 20;  // not 0
    std::size_t slices = 4;                              // at least 1, 2 to overlap
    bool is_write_combined = false;
  };
  // Throws OutOfMemory, CudaError, and std::length_error for a ring that no memory could hold.
  CopyRing(const Context& context, const Options& options);
  ~CopyRing();
  CopyRing(const CopyRing&) = delete;
  CopyRing& operator=(const CopyRing&) = delete;

  // `target` has room for all of it, mapped. Throws CudaError.
  CopyEnd copy(CUdeviceptr target, std::span<const std::byte> source, const CopyOptions& options);

  // [offset, offset + bytes) of a file. Throws CudaError, and std::system_error where it cannot be
  // read or ends before.
  CopyEnd copy(CUdeviceptr target, int fd, std::uint64_t offset, std::uint64_t bytes,
               const CopyOptions& options);

  // [offset, offset + bytes) of memory that the GPU reads itself, in the same slices, at most so
  // many under way. Throws CudaError, and std::out_of_range.
  CopyEnd copy(CUdeviceptr target, const RegisteredMemory& source, std::uint64_t offset,
               std::uint64_t bytes, const CopyOptions& options);

 private:
  // The bytes of the copy from `position` on, as many as `slice` has; the GPU reads what is
  // returned.
  using Stage = std::function<const std::byte*(std::uint64_t position, std::span<std::byte> slice)>;

  CopyEnd run(CUdeviceptr target, std::uint64_t bytes, const Stage& stage,
              const CopyOptions& options);
  CopyEnd run_slices(CUdeviceptr target, std::uint64_t bytes, const Stage& stage,
                     const CopyOptions& options);

  const Context& context_;
  const std::uint64_t slice_bytes_;
  PinnedMemory ring_;
  Stream stream_;
  std::vector<Event> fetched_;  // by slice: the GPU has read it
};

}  // namespace gpumodel::engine::device::cuda

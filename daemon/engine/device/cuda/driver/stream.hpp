// A queue of work on a GPU, and marks in it.
#pragma once

#include "engine/device/cuda/driver/context.hpp"

namespace gpumodel::engine::device::cuda {

// Does not wait for the other streams, nor they for it. At destruction it is the caller's to have
// waited. The context must outlive it, and be current on the thread that calls.
class Stream {
 public:
  // Throws OutOfMemory and CudaError.
  explicit Stream(const Context& context);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  CUstream get() const { return stream_; }
  // Waits until all work is done. Throws CudaError.
  void synchronize() const;
  // The same where an error can no longer be told.
  void settle() const noexcept;

 private:
  const Context& context_;
  CUstream stream_ = nullptr;
};

// As Stream; waits by sleeping, since a copy's milliseconds are another thread's.
class Event {
 public:
  explicit Event(const Context& context);
  Event(Event&& other) noexcept;
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  Event& operator=(Event&&) = delete;

  // Marks what is in the stream now. Throws CudaError.
  void record(const Stream& stream) const;
  // Waits for what was marked last; at once where nothing was. Throws CudaError.
  void synchronize() const;

 private:
  const Context& context_;
  CUevent event_ = nullptr;
};

}  // namespace gpumodel::engine::device::cuda

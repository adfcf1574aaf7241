// What a call of the driver answered: out of memory is an answer, anything else is the end.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "engine/device/cuda/driver/driver.hpp"

namespace gpumodel::engine::device::cuda {

// An error other than out of memory. The context may be beyond use and what it computed wrong:
// whoever catches this reports it and ends the process.
class CudaError : public std::runtime_error {
 public:
  CudaError(CUresult code, const std::string& text) : std::runtime_error(text), code_(code) {}
  CUresult code() const { return code_; }

 private:
  CUresult code_;
};

// "cuMemMap: CUDA_ERROR_INVALID_VALUE (invalid argument)"; an error that the driver has no name for
// shows its number.
std::string error_text(const Driver& driver, CUresult result, const char* call);

// Does nothing on success. Throws memory::OutOfMemory, which names `what_for` and `wanted_bytes`
// and what the device has free, or CudaError.
void check(const Driver& driver, CUresult result, const char* call,
           const std::string& what_for = {}, std::uint64_t wanted_bytes = 0);

}  // namespace gpumodel::engine::device::cuda

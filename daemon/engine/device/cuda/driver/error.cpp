#include "engine/device/cuda/driver/error.hpp"

#include "engine/memory/budget.hpp"

namespace gpumodel::engine::device::cuda {

std::string error_text(const Driver& driver, CUresult result, const char* call) {
  const char* name = nullptr;
  const char* words = nullptr;
  std::string text = std::string(call) + ": ";
  const bool is_known = driver.get_error_name(result, &name) == CUDA_SUCCESS && name != nullptr;
  text += is_known ? name : "error " + std::to_string(static_cast<int>(result));
  if (driver.get_error_string(result, &words) == CUDA_SUCCESS && words != nullptr) {
    text += std::string(" (") + words + ")";
  }
  return text;
}

void check(const Driver& driver, CUresult result, const char* call, const std::string& what_for,
           std::uint64_t wanted_bytes) {
  if (result == CUDA_SUCCESS) return;
  if (result != CUDA_ERROR_OUT_OF_MEMORY) {
    throw CudaError(result, error_text(driver, result, call));
  }
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  if (driver.mem_get_info(&free_bytes, &total_bytes) != CUDA_SUCCESS) free_bytes = total_bytes = 0;
  throw memory::OutOfMemory(what_for.empty() ? std::string(call) : what_for + " (" + call + ")",
                            wanted_bytes, free_bytes, total_bytes);
}

}  // namespace gpumodel::engine::device::cuda

#include "engine/device/cuda/driver/context.hpp"

#include "engine/device/cuda/driver/error.hpp"

namespace gpumodel::engine::device::cuda {

Context::Context(const Driver& driver, CUdevice device) : driver_(driver), device_(device) {
  check(driver_, driver_.primary_ctx_retain(&context_, device_), "cuDevicePrimaryCtxRetain",
        "the GPU's context");
  try {
    enter();
  } catch (...) {
    driver_.primary_ctx_release(device_);
    throw;
  }
}

Context::~Context() {
  driver_.ctx_set_current(nullptr);
  driver_.primary_ctx_release(device_);
}

void Context::enter() const {
  check(driver_, driver_.ctx_set_current(context_), "cuCtxSetCurrent");
}

void Context::enter_to_clean_up() const noexcept { driver_.ctx_set_current(context_); }

void Context::synchronize() const {
  enter();
  check(driver_, driver_.ctx_synchronize(), "cuCtxSynchronize");
}

Context::Free Context::free_memory() const {
  enter();
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  check(driver_, driver_.mem_get_info(&free_bytes, &total_bytes), "cuMemGetInfo");
  return {free_bytes, total_bytes};
}

}  // namespace gpumodel::engine::device::cuda

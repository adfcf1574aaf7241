// How much of a GPU's memory this process has, as the driver says and not as we count.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/device/cuda/driver/context.hpp"
#include "engine/device/cuda/nvml/nvml.hpp"
#include "engine/memory/arena.hpp"

namespace gpumodel::engine::device::cuda {

struct DeviceUse {
  std::optional<std::uint64_t> process_bytes;  // absent where processes cannot be told apart
  std::uint64_t device_bytes = 0;              // everybody's
};

// What an unload freed. Unverified is what was seen of the whole device only, where strangers come
// and go.
struct DeviceUnload {
  memory::UnloadMeasure measure;
  bool is_verified = false;
};

// The difference of two readings, as far as it is explained by `expected_bytes` that were ours.
DeviceUnload freed_between(const DeviceUse& before, const DeviceUse& after,
                           std::uint64_t expected_bytes);

// The pid by which the system knows this process; absent in a container's own numbering, where the
// same number may be somebody else's outside. `proc` is /proc but for tests.
std::optional<std::int64_t> system_wide_pid(const std::string& proc = "/proc");

class DeviceMeter {
 public:
  // `nvml` may be null: no NVML. Both must outlive the meter. `uuid` is the context's GPU.
  DeviceMeter(const Context& context, const nvml::Nvml* nvml, std::string uuid,
              std::optional<std::int64_t> pid);

  // Throws CudaError. What NVML refuses is absent.
  DeviceUse read() const;

 private:
  const Context& context_;
  const nvml::Nvml* nvml_;
  std::string uuid_;
  std::optional<std::int64_t> pid_;
};

}  // namespace gpumodel::engine::device::cuda

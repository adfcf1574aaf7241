// What NVML knows of this machine's GPUs, as plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/device/cuda/nvml/library.hpp"

namespace gpumodel::engine::device::cuda::nvml {

class NvmlError : public std::runtime_error {
 public:
  NvmlError(Result code, const std::string& text) : std::runtime_error(text), code_(code) {}
  Result code() const { return code_; }

 private:
  Result code_;
};

struct GpuReading {
  std::string uuid;
  std::string pci_bus_id;
  std::string name;
  std::uint64_t total_bytes = 0;
  std::uint64_t used_bytes = 0;  // everybody's, and what the driver keeps
};

struct ProcessUse {
  std::int64_t pid = 0;                     // in the numbering of the first pid namespace
  std::optional<std::uint64_t> used_bytes;  // absent where the driver does not say
};

struct GpuEvent {
  enum class Kind { xid, corrected_ecc, uncorrected_ecc };
  Kind kind = Kind::xid;
  std::string uuid;
  std::uint64_t xid = 0;  // NVIDIA's number of the error; 0 for the other kinds
};

// Throws NvmlError where NVML fails in a way that no member names. Safe from any thread, but for
// next_event, which is one thread's.
class Nvml {
 public:
  // The table must outlive it.
  explicit Nvml(const Library& library);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  // In the order of the PCI bus; those that can be read: a GPU that fell off the bus is left out.
  std::vector<GpuReading> gpus() const;

  // Whoever has memory on the GPU, by pid; those of all users. Absent where there is no such GPU or
  // it does not say.
  std::optional<std::vector<ProcessUse>> processes(const std::string& uuid) const;

  // The next event of any GPU that can tell of some, if there is one within the time; those that
  // happened between two calls are kept by the driver. At the first call, from then on.
  std::optional<GpuEvent> next_event(std::chrono::milliseconds within);

 private:
  std::optional<DeviceHandle> find(const std::string& uuid) const;
  std::vector<DeviceHandle> handles() const;
  std::optional<std::string> uuid_of(DeviceHandle device) const;
  std::optional<GpuReading> read(DeviceHandle device) const;
  void listen();
  void check(Result result, const char* call) const;

  const Library& library_;
  EventSet events_ = nullptr;
};

}  // namespace gpumodel::engine::device::cuda::nvml

// GPUs behind NVML's table, as a test says that they are.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "engine/device/cuda/nvml/library.hpp"

namespace gpumodel::tests {

// The table's functions have no argument for an object, so one at a time lives in a process.
class SimulatedNvml {
 public:
  struct Gpu {
    std::string uuid;
    std::string pci_bus_id;
    std::string name;
    engine::device::cuda::nvml::MemoryInfo memory;
    std::vector<engine::device::cuda::nvml::ProcessInfo> computing;
    std::vector<engine::device::cuda::nvml::ProcessInfo> drawing;
    unsigned long long events = 0;  // types that it can tell of
    bool is_lost = false;
    unsigned long long registered = 0;
  };
  struct Event {
    std::size_t gpu = 0;
    unsigned long long type = 0;
    unsigned long long data = 0;
  };

  explicit SimulatedNvml(std::vector<Gpu> gpus);
  ~SimulatedNvml();
  SimulatedNvml(const SimulatedNvml&) = delete;
  SimulatedNvml& operator=(const SimulatedNvml&) = delete;

  const engine::device::cuda::nvml::Library& table() const { return table_; }

  std::vector<Gpu> gpus;
  std::deque<Event> events;  // told once somebody is registered
  std::map<std::string, engine::device::cuda::nvml::Result> failures;  // by the table's entry
  int users = 0;                                                       // init less shutdown
  int event_sets = 0;
  // How many processes more there are at each next question for a list: it grows meanwhile.
  unsigned arriving = 0;

 private:
  engine::device::cuda::nvml::Library table_;
};

}  // namespace gpumodel::tests

// What other programs hold on each device, as the probe last read it. The core asks before it
// decides; who the holders are is kept for the wording of errors.
#pragma once

#include <unordered_map>
#include <vector>

#include "broker/conductor.hpp"
#include "broker/probe.hpp"
#include "wire/operator_messages.hpp"

namespace gpumodel::broker {

class MemoryReadings {
 public:
  // A probe that has not answered by then leaves the last reading as it is.
  static constexpr std::chrono::seconds kAnswerWithin{1};

  MemoryReadings(asio::io_context& io, Conductor& conductor, Probe& probe);

  bool has(core::DeviceId device) const { return readings_.contains(device); }
  // Of the device of these that was read last: the processes that hold most, largest first.
  std::vector<wire::ForeignHolder> holders(const std::vector<core::DeviceId>& devices) const;

 private:
  struct Reading {
    std::uint64_t number = 0;
    std::vector<wire::ForeignHolder> holders;
  };

  void read(core::DeviceId device);
  // The core has its answer, once.
  void answer(core::DeviceId device, std::uint64_t number,
              std::optional<std::uint64_t> foreign_bytes);

  asio::io_context& io_;
  Conductor& conductor_;
  Probe& probe_;
  std::uint64_t last_ = 0;
  std::unordered_map<core::DeviceId, std::uint64_t> awaited_;  // readings, by device
  std::unordered_map<core::DeviceId, Reading> readings_;
  Alive alive_;
};

}  // namespace gpumodel::broker

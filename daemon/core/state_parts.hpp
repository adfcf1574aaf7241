// What the state of the core is made of, beside the tables with rules of their own.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <vector>

#include "core/effects.hpp"
#include "core/engine_state.hpp"
#include "core/queue.hpp"
#include "core/types.hpp"

namespace gpumodel::core {

struct Device {
  DeviceSpec spec{};
  EngineState engine{};
  bool draining = false;
  // Foreign memory: the reading on its way, and the last one that came.
  std::optional<Time> reading_since{};
  std::optional<Time> read_at{};  // asked for then
  bool fresh = false;           // it came with this event
  Time poll_at{0};              // while somebody waits for foreign memory
};
struct SessionEntry {
  std::uint32_t uid = 0;
  std::set<LeaseId> leases;
  std::set<RequestId> waiting;
};
struct PendingRelease {
  RequestId request;
  SessionId session;
  ModelId model;
  ResidentId resident;  // none: the lease was suspended
  ResidentId adapter;
};
// A release or an unload whose memory is still being measured.
struct PendingUnloads {
  std::size_t left = 0;  // residents
  ReleaseReport report;  // of the others
  // The adapter leaves alone: how its weights stay.
  std::optional<ReleaseReport::Outcome> weights_stay{};
};
// Where waiters cannot be admitted: they keep their devices from the loads of later ones.
struct Stuck {
  std::vector<Waiter*> waiters;
  std::set<DeviceId> closed;     // to loads
  std::set<DeviceId> exhausted;  // to joining, too: somebody has been overtaken often enough
  void add(Waiter& waiter);
};
}  // namespace gpumodel::core

// Where to place what a request needs, and whom to evict for it. Pure functions over values.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "core/types.hpp"

namespace gpumodel::core {

struct PlanResident {
  ResidentId id;
  WeightsId weights;
  Bytes bytes = 0;
  bool ready = false;
  bool joinable = false;   // ready or going to be
  bool unloading = false;  // its bytes are as good as free
  bool evictable = false;  // ready, and may go: see `suspends`
  Time last_used{0};
  std::uint32_t suspends = 0;  // leases that are suspended where it goes
};

struct PlanDevice {
  DeviceId id;
  Bytes budget_bytes = 0;
  Bytes residual_bytes = 0;  // comes back only when the engine restarts with nothing on the device
  bool closed = false;       // no loads: failed, or reserved for an earlier request
  std::vector<PlanResident> residents;
};

// One weights, or one adapter, that a request needs somewhere.
struct PlanItem {
  struct Choice {
    DeviceId device;
    Bytes bytes = 0;
  };
  WeightsId weights;
  std::vector<Choice> choices;  // best first where all else is equal
  std::optional<std::size_t> beside{};  // an adapter: on the device of this earlier item
};

struct Plan {
  struct Place {
    DeviceId device;
    std::optional<ResidentId> resident;  // none: to be loaded
  };
  std::vector<Place> places;          // one an item
  // Unleased ones first, least recently used first, no more than needed.
  std::vector<ResidentId> evictions;
  bool loads() const;
};

// The cheapest kind of plan there is: one that only loads, one that evicts what nobody leases, one that
// suspends leases; and of a kind the devices with the fewest bytes to evict first, in the order of the
// items' choices where these are equal. nullopt: not as things stand. What is joinable is joined, what is
// ready first. A device whose residual is in the way is planned for only if everything else on it can
// go, too.
std::optional<Plan> make_plan(const std::vector<PlanDevice>& devices,
                              const std::vector<PlanItem>& items);
// The same without any eviction.
std::optional<Plan> make_plan_without_eviction(const std::vector<PlanDevice>& devices,
                                               const std::vector<PlanItem>& items);

struct Shortage {
  Bytes needed_bytes = 0;
  Bytes missing_bytes = 0;
  Bytes capacity_bytes = 0;  // of the largest device allowed
};
// Whether the items fit together where nothing else is; nullopt: they do.
std::optional<Shortage> shortage_when_empty(const std::vector<PlanDevice>& devices,
                                            const std::vector<PlanItem>& items);

}  // namespace gpumodel::core

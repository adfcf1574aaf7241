// Where to place what a request needs, and whom to evict for it. Pure functions over values.
#pragma once

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
  bool evictable = false;  // ready, and neither leased nor claimed
  Time last_used{0};
};

struct PlanDevice {
  DeviceId id;
  Bytes budget_bytes = 0;
  Bytes residual_bytes = 0;  // comes back only when the engine restarts with nothing on the device
  bool closed = false;       // no loads: failed, or reserved for an earlier request
  std::vector<PlanResident> residents;
};

// One weights that a request needs somewhere.
struct PlanItem {
  struct Choice {
    DeviceId device;
    Bytes bytes = 0;
  };
  WeightsId weights;
  std::vector<Choice> choices;  // best first
};

struct Plan {
  struct Place {
    DeviceId device;
    std::optional<ResidentId> resident;  // none: to be loaded
  };
  std::vector<Place> places;          // one an item
  std::vector<ResidentId> evictions;  // least recently used first, no more than needed
  bool loads() const;
};

// The first plan in the order of the items' choices that needs no eviction, else the first that
// does; nullopt: not as things stand. What is joinable is joined, what is ready first. A device
// whose residual is in the way is planned for only if everything else on it can go, too.
std::optional<Plan> make_plan(const std::vector<PlanDevice>& devices,
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

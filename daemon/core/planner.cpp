#include "core/planner.hpp"

#include <algorithm>
#include <cstddef>

#include "core/mutation.hpp"

namespace gpumodel::core {
namespace {

// Placing sets on several devices is a packing problem: the search gives up after this many steps,
// and the request waits for a simpler moment.
constexpr int kMaxSearchSteps = 20'000;

struct Room {
  const PlanDevice* device = nullptr;
  Bytes free_bytes = 0;
  std::vector<const PlanResident*> evictable;  // least recently used first
};

bool evictable(const PlanResident& resident) {
  return resident.evictable || (mutated(Mutation::evict_leased) && resident.ready);
}

bool is_joined(const PlanResident& resident, const std::vector<Plan::Place>& places) {
  return std::any_of(places.begin(), places.end(),
                     [&](const Plan::Place& place) { return place.resident == resident.id; });
}

// How far a plan goes to make room.
enum class Effort { load, evict, rearrange };

Room room_on(const PlanDevice& device, const std::vector<Plan::Place>& places, Effort effort) {
  const bool evict = effort != Effort::load;
  Room room{&device, 0, {}};
  Bytes fixed = 0;
  bool all_can_go = true;
  for (const PlanResident& resident : device.residents) {
    if (resident.unloading) continue;
    if (evictable(resident) && !is_joined(resident, places)) {
      room.evictable.push_back(&resident);
      if (evict) continue;
    } else {
      all_can_go = false;
    }
    fixed += resident.bytes;
  }
  if (effort != Effort::evict || !all_can_go) fixed += device.residual_bytes;
  room.free_bytes = device.budget_bytes - std::min(device.budget_bytes, fixed);
  std::stable_sort(room.evictable.begin(), room.evictable.end(),
                   [](const auto* a, const auto* b) { return a->last_used < b->last_used; });
  return room;
}

class Search {
 public:
  Search(std::vector<Room> rooms, const std::vector<PlanItem>& items, std::vector<std::size_t> open,
         std::vector<Plan::Place>& places)
      : rooms_(std::move(rooms)), items_(items), open_(std::move(open)), places_(places) {}

  bool place(std::size_t next = 0) {
    if (next == open_.size()) return true;
    const PlanItem& item = items_[open_[next]];
    for (const PlanItem::Choice& choice : item.choices) {
      if (--steps_left_ < 0) return false;
      const auto room = std::find_if(rooms_.begin(), rooms_.end(), [&](const Room& candidate) {
        return candidate.device->id == choice.device;
      });
      if (room == rooms_.end()) continue;
      const PlanResident* resident = resident_of(*room->device, item.weights);
      // Weights that are still being unloaded, or whose load is being cancelled, are in their own
      // way; what could be evicted may also stay.
      if (resident != nullptr && !evictable(*resident)) continue;
      const Bytes bytes = resident == nullptr ? choice.bytes : resident->bytes;
      if (room->free_bytes < bytes) continue;
      room->free_bytes -= bytes;
      places_[open_[next]] = Plan::Place{
          choice.device, resident == nullptr ? std::nullopt : std::optional(resident->id)};
      if (place(next + 1)) return true;
      room->free_bytes += bytes;
    }
    return false;
  }

 private:
  static const PlanResident* resident_of(const PlanDevice& device, WeightsId weights) {
    const auto found =
        std::find_if(device.residents.begin(), device.residents.end(),
                     [&](const PlanResident& resident) { return resident.weights == weights; });
    return found == device.residents.end() ? nullptr : &*found;
  }

  std::vector<Room> rooms_;
  const std::vector<PlanItem>& items_;
  std::vector<std::size_t> open_;  // items to place, largest first
  std::vector<Plan::Place>& places_;
  int steps_left_ = kMaxSearchSteps;
};

// Joins what is there, but for what `effort` may move; gives the items that have to be loaded,
// largest first.
std::vector<std::size_t> join(const std::vector<PlanDevice>& devices,
                              const std::vector<PlanItem>& items, Effort effort,
                              std::vector<Plan::Place>& places) {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const PlanResident* best = nullptr;
    for (const PlanDevice& device : devices) {
      const bool allowed =
          std::any_of(items[i].choices.begin(), items[i].choices.end(),
                      [&](const PlanItem::Choice& choice) { return choice.device == device.id; });
      if (!allowed) continue;
      for (const PlanResident& resident : device.residents) {
        if (resident.weights != items[i].weights || !resident.joinable) continue;
        if (effort == Effort::rearrange && evictable(resident)) continue;
        if (best != nullptr && (best->ready || !resident.ready)) continue;
        best = &resident;
        places[i] = Plan::Place{device.id, resident.id};
      }
    }
    if (best == nullptr) open.push_back(i);
  }
  const auto size = [&](std::size_t item) {
    Bytes bytes = 0;
    for (const PlanItem::Choice& choice : items[item].choices)
      bytes = std::max(bytes, choice.bytes);
    return bytes;
  };
  std::stable_sort(open.begin(), open.end(),
                   [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
  return open;
}

Bytes bytes_on(DeviceId device, const PlanItem& item) {
  for (const PlanItem::Choice& choice : item.choices) {
    if (choice.device == device) return choice.bytes;
  }
  return 0;
}

void choose_evictions(const std::vector<Room>& rooms, const std::vector<PlanItem>& items,
                      Plan& plan) {
  for (const Room& room : rooms) {
    Bytes wanted = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (plan.places[i].device != room.device->id || plan.places[i].resident) continue;
      wanted += bytes_on(room.device->id, items[i]);
    }
    if (wanted == 0) continue;
    Bytes taken = room.device->residual_bytes + wanted;
    for (const PlanResident& resident : room.device->residents) {
      if (!resident.unloading) taken += resident.bytes;
    }
    for (const PlanResident* victim : room.evictable) {
      if (taken <= room.device->budget_bytes) break;
      if (is_joined(*victim, plan.places)) continue;
      plan.evictions.push_back(victim->id);
      taken -= victim->bytes;
    }
  }
}

}  // namespace

bool Plan::loads() const {
  return std::any_of(places.begin(), places.end(),
                     [](const Place& place) { return !place.resident; });
}

std::optional<Plan> make_plan(const std::vector<PlanDevice>& devices,
                              const std::vector<PlanItem>& items) {
  for (const Effort effort : {Effort::load, Effort::evict, Effort::rearrange}) {
    Plan plan;
    plan.places.resize(items.size());
    const std::vector<std::size_t> open = join(devices, items, effort, plan.places);
    if (open.empty() && effort != Effort::rearrange) return plan;
    std::vector<Room> rooms;
    for (const PlanDevice& device : devices) {
      if (!device.closed) rooms.push_back(room_on(device, plan.places, effort));
    }
    if (!Search(rooms, items, open, plan.places).place()) continue;
    if (effort != Effort::load) choose_evictions(rooms, items, plan);
    return plan;
  }
  return std::nullopt;
}

std::optional<Shortage> shortage_when_empty(const std::vector<PlanDevice>& devices,
                                            const std::vector<PlanItem>& items) {
  std::vector<PlanDevice> empty;
  for (const PlanDevice& device : devices) {
    if (!device.closed) empty.push_back(PlanDevice{device.id, device.budget_bytes, 0, false, {}});
  }
  if (make_plan(empty, items)) return std::nullopt;
  // Measured on the devices that any item may use: exact where there is one, else a lower bound.
  Shortage shortage;
  Bytes room = 0;
  for (const PlanItem& item : items) {
    Bytes least = item.choices.empty() ? 0 : item.choices.front().bytes;
    for (const PlanItem::Choice& choice : item.choices) least = std::min(least, choice.bytes);
    shortage.needed_bytes += least;
  }
  for (const PlanDevice& device : empty) {
    const bool allowed = std::any_of(items.begin(), items.end(), [&](const PlanItem& item) {
      return bytes_on(device.id, item) != 0;
    });
    if (!allowed) continue;
    room += device.budget_bytes;
    shortage.capacity_bytes = std::max(shortage.capacity_bytes, device.budget_bytes);
  }
  shortage.missing_bytes = shortage.needed_bytes > room ? shortage.needed_bytes - room : 1;
  return shortage;
}

}  // namespace gpumodel::core

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
  Bytes residual_if_kept = 0;  // comes back only if nothing here stays
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
enum class Effort { load, evict_unleased, evict, rearrange };

// Whether a plan of this effort moves the resident.
bool moves(const PlanResident& resident, Effort effort) {
  if (effort == Effort::load || !evictable(resident)) return false;
  return effort != Effort::evict_unleased || resident.suspends == 0;
}

Room room_on(const PlanDevice& device, const std::vector<Plan::Place>& places, Effort effort) {
  Room room{&device, 0, 0, {}};
  Bytes fixed = 0;
  bool all_can_go = effort != Effort::load;
  for (const PlanResident& resident : device.residents) {
    if (resident.unloading) continue;
    if (moves(resident, effort) && !is_joined(resident, places)) {
      room.evictable.push_back(&resident);
      continue;
    }
    all_can_go = false;
    fixed += resident.bytes;
  }
  (all_can_go ? room.residual_if_kept : fixed) += device.residual_bytes;
  room.free_bytes = device.budget_bytes - std::min(device.budget_bytes, fixed);
  std::stable_sort(room.evictable.begin(), room.evictable.end(), [](const auto* a, const auto* b) {
    if ((a->suspends == 0) != (b->suspends == 0)) return a->suspends == 0;
    return a->last_used < b->last_used;
  });
  return room;
}

Bytes evictable_bytes(const Room& room) {
  Bytes bytes = 0;
  for (const PlanResident* resident : room.evictable) bytes += resident->bytes;
  return bytes;
}

// What placing this much in a room moves away.
Bytes bytes_to_evict(const Room& room, Bytes wanted) {
  const Bytes all = evictable_bytes(room);
  const Bytes free_now = room.free_bytes - std::min(room.free_bytes, all);
  return wanted - std::min(wanted, free_now);
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
      const bool elsewhere = item.beside && places_[*item.beside].device != choice.device;
      if (elsewhere && !mutated(Mutation::stray_adapter)) continue;
      const auto room = std::find_if(rooms_.begin(), rooms_.end(), [&](const Room& candidate) {
        return candidate.device->id == choice.device;
      });
      if (room == rooms_.end()) continue;
      const PlanResident* resident = resident_of(*room->device, item.weights);
      // Weights that are still being unloaded, or whose load is being cancelled, are in their own
      // way; what could be evicted may also stay, and an adapter that must stay is there.
      const bool stays = resident != nullptr && !evictable(*resident);
      if (stays && !(item.beside && resident->joinable)) continue;
      const Bytes residual = resident == nullptr ? 0 : room->residual_if_kept;
      const Bytes bytes =
          residual + (resident == nullptr ? choice.bytes : stays ? 0 : resident->bytes);
      if (room->free_bytes < bytes) continue;
      room->free_bytes -= bytes;
      room->residual_if_kept -= residual;
      places_[open_[next]] = Plan::Place{
          choice.device, resident == nullptr ? std::nullopt : std::optional(resident->id)};
      if (place(next + 1)) return true;
      room->free_bytes += bytes;
      room->residual_if_kept += residual;
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
  std::vector<std::size_t> open_;  // items to place: weights before adapters, largest first
  std::vector<Plan::Place>& places_;
  int steps_left_ = kMaxSearchSteps;
};

// Whether an item may join what is on the device: an adapter only beside its weights.
bool may_join(const PlanItem& item, DeviceId device, const std::vector<bool>& joined,
              const std::vector<Plan::Place>& places) {
  if (item.beside && !(joined[*item.beside] && places[*item.beside].device == device)) return false;
  return std::any_of(item.choices.begin(), item.choices.end(),
                     [&](const PlanItem::Choice& choice) { return choice.device == device; });
}

// Joins what is there, but for what `effort` may move; gives the items that have to be placed,
// weights before adapters, largest first.
std::vector<std::size_t> join(const std::vector<PlanDevice>& devices,
                              const std::vector<PlanItem>& items, Effort effort,
                              std::vector<Plan::Place>& places) {
  std::vector<std::size_t> open;
  std::vector<bool> joined(items.size(), false);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const PlanResident* best = nullptr;
    for (const PlanDevice& device : devices) {
      if (!may_join(items[i], device.id, joined, places)) continue;
      for (const PlanResident& resident : device.residents) {
        if (resident.weights != items[i].weights || !resident.joinable) continue;
        if (effort == Effort::rearrange && evictable(resident)) continue;
        if (best != nullptr && (best->ready || !resident.ready)) continue;
        best = &resident;
        places[i] = Plan::Place{device.id, resident.id};
      }
    }
    joined[i] = best != nullptr;
    if (best == nullptr) open.push_back(i);
  }
  const auto size = [&](std::size_t item) {
    Bytes bytes = 0;
    for (const PlanItem::Choice& choice : items[item].choices)
      bytes = std::max(bytes, choice.bytes);
    return bytes;
  };
  std::stable_sort(open.begin(), open.end(), [&](std::size_t a, std::size_t b) {
    if (items[a].beside.has_value() != items[b].beside.has_value())
      return !items[a].beside.has_value();
    return size(a) > size(b);
  });
  return open;
}

Bytes bytes_on(DeviceId device, const PlanItem& item) {
  for (const PlanItem::Choice& choice : item.choices) {
    if (choice.device == device) return choice.bytes;
  }
  return 0;
}

void sort_by_cost(const std::vector<Room>& rooms, PlanItem& item) {
  const auto cost = [&](const PlanItem::Choice& choice) {
    for (const Room& room : rooms) {
      if (room.device->id == choice.device) return bytes_to_evict(room, choice.bytes);
    }
    return Bytes{0};
  };
  std::stable_sort(
      item.choices.begin(), item.choices.end(),
      [&](const PlanItem::Choice& a, const PlanItem::Choice& b) { return cost(a) < cost(b); });
}

// Victims that turned out to be too many, since later ones are larger, stay.
void spare(std::vector<const PlanResident*>& victims, Bytes surplus) {
  for (auto victim = victims.rbegin(); victim != victims.rend(); ++victim) {
    if ((*victim)->bytes > surplus) continue;
    surplus -= (*victim)->bytes;
    *victim = nullptr;
  }
  std::erase(victims, nullptr);
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
    std::vector<const PlanResident*> victims;
    for (const PlanResident* victim : room.evictable) {
      if (taken <= room.device->budget_bytes) break;
      if (is_joined(*victim, plan.places)) continue;
      victims.push_back(victim);
      taken -= victim->bytes;
    }
    if (taken <= room.device->budget_bytes) spare(victims, room.device->budget_bytes - taken);
    for (const PlanResident* victim : victims) plan.evictions.push_back(victim->id);
  }
}

std::optional<Plan> plan_with(Effort effort, const std::vector<PlanDevice>& devices,
                              std::vector<PlanItem> items) {
  Plan plan;
  plan.places.resize(items.size());
  const std::vector<std::size_t> open = join(devices, items, effort, plan.places);
  if (open.empty() && effort != Effort::rearrange) return plan;
  std::vector<Room> rooms;
  for (const PlanDevice& device : devices) {
    if (!device.closed) rooms.push_back(room_on(device, plan.places, effort));
  }
  if (effort != Effort::load) {
    for (const std::size_t item : open) sort_by_cost(rooms, items[item]);
  }
  if (!Search(rooms, items, open, plan.places).place()) return std::nullopt;
  if (effort != Effort::load) choose_evictions(rooms, items, plan);
  return plan;
}

}  // namespace

bool Plan::loads() const {
  return std::any_of(places.begin(), places.end(),
                     [](const Place& place) { return !place.resident; });
}

std::optional<Plan> make_plan(const std::vector<PlanDevice>& devices,
                              const std::vector<PlanItem>& items) {
  for (const Effort effort :
       {Effort::load, Effort::evict_unleased, Effort::evict, Effort::rearrange}) {
    if (auto plan = plan_with(effort, devices, items)) return plan;
  }
  return std::nullopt;
}

std::optional<Plan> make_plan_without_eviction(const std::vector<PlanDevice>& devices,
                                               const std::vector<PlanItem>& items) {
  return plan_with(Effort::load, devices, items);
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

// How room is made for waiters and yields, and what follows when a plan falls through.
#include <algorithm>

#include "core/mutation.hpp"
#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

std::vector<PlanDevice> Core::State::plan_devices(Time now) const {
  std::vector<PlanDevice> devices;
  devices.reserve(devices_.size());
  for (const auto& [id, device] : devices_) {
    const Ledger& ledger = residency_.ledger(id);
    devices.push_back(PlanDevice{id,
                                 ledger.budget_bytes(),
                                 ledger.residual_bytes(),
                                 device.engine.phase == EngineState::Phase::failed ||
                                     (device.draining && !mutated(Mutation::load_on_drained)),
                                 {}});
  }
  const LeasesOf leases = leases_of_residents();
  for (const auto& [id, resident] : residency_.all()) {
    const auto device =
        std::find_if(devices.begin(), devices.end(),
                     [&](const PlanDevice& candidate) { return candidate.id == resident.device; });
    const bool ready = resident.state == Resident::State::ready;
    const bool unloading = resident.state == Resident::State::unloading;
    const bool joinable = resident.joinable() && !devices_.at(resident.device).draining;
    const auto at = evictable_at(resident, leases, false);
    device->residents.push_back(
        PlanResident{id, resident.weights, resident.bytes(), ready,
                     joinable || (unloading && mutated(Mutation::grant_on_unloading)), unloading,
                     at && *at <= now, resident.last_used, resident.leases});
  }
  return devices;
}

bool Core::State::start_over(const Waiter& waiter, std::vector<PlanDevice> devices) {
  if (waiter.only_if_ready || (waiter.deadline && *waiter.deadline <= now_)) return false;
  for (PlanDevice& device : devices) {
    std::erase_if(device.residents,
                  [](const PlanResident& resident) { return resident.evictable; });
    if (device.residents.empty()) device.residual_bytes = 0;
  }
  const std::optional<Plan> plan = make_plan(devices, waiter.needed.items);
  if (!plan) return false;
  bool started = false;
  const LeasesOf leases = leases_of_residents();
  for (auto& [id, resident] : residency_.all()) {
    const bool in_the_way =
        std::any_of(plan->places.begin(), plan->places.end(), [&](const Plan::Place& place) {
          return !place.resident && place.device == resident.device;
        });
    const auto at = in_the_way ? evictable_at(resident, leases, false) : std::nullopt;
    if (!at || *at > now_) continue;
    evict(resident, "made room for a waiting request");
    started = true;
  }
  return started;
}

bool Core::State::stop_prefetches(const Waiter& waiter) {
  if (mutated(Mutation::prefetch_in_the_way)) return false;
  bool stopped = false;
  std::vector<ResidentId> unplanned;
  for (auto& [id, resident] : residency_.all()) {
    const auto& devices = waiter.devices;
    if (std::find(devices.begin(), devices.end(), resident.device) == devices.end()) continue;
    if (!resident.idle()) continue;
    if (resident.state == Resident::State::planned) unplanned.push_back(id);
    if (resident.state != Resident::State::loading || resident.cancelled) continue;
    resident.cancelled = true;
    emit(CancelLoad{resident.device, id});
    stopped = true;
  }
  for (const ResidentId id : unplanned) remove_resident(id);
  return stopped || !unplanned.empty();
}

bool Core::State::expire() {
  bool changed = false;
  for (auto next = queue_.all().begin(); next != queue_.all().end();) {
    const Waiter& waiter = (next++)->second;
    if (waiter.admitted() || !waiter.deadline || *waiter.deadline > now_) continue;
    if (waiter.awaits_reading) continue;  // whether it can be served at once is not known yet
    const RequestId request = waiter.request;
    const ModelId model = waiter.models.front();
    drop_waiter(request);
    if (!mutated(Mutation::forget_waiting_answer))
      refuse(request, {.code = Refusal::Code::busy, .model = model});
    changed = true;
  }
  return changed;
}

bool Core::State::undo_overcommitment() {
  bool changed = false;
  for (const auto& [id, device] : devices_) {
    const Ledger& ledger = residency_.ledger(id);
    if (ledger.planned_bytes() == 0) continue;
    Bytes stays = 0;
    ResidentId last;
    for (const auto& [resident_id, resident] : residency_.all()) {
      if (resident.device != id) continue;
      if (resident.state == Resident::State::planned)
        last = resident_id;
      else if (resident.state != Resident::State::unloading)
        stays += resident.bytes();
    }
    // Residual alone is not in the way: the engine restarts before the load.
    if (stays != 0) stays += ledger.residual_bytes();
    if (ledger.planned_bytes() + stays <= ledger.budget_bytes()) continue;
    for (const RequestId request : claimers(last)) throw_back(*queue_.find(request));
    remove_resident(last);
    changed = true;
  }
  return changed;
}

bool Core::State::make_room_for_yields() {
  bool changed = false;
  const LeasesOf leases = leases_of_residents();
  for (const auto& [id, device] : devices_) {
    if (!yields_.any_on(id)) continue;
    const Ledger& ledger = residency_.ledger(id);
    std::vector<Resident*> candidates;
    Bytes stays = ledger.planned_bytes() + ledger.residual_bytes();
    for (auto& [resident_id, resident] : residency_.all()) {
      if (resident.device != id) continue;
      const bool held = resident.state != Resident::State::planned;
      if (held && resident.state != Resident::State::unloading) stays += resident.bytes();
      const auto at = evictable_at(resident, leases, true);
      if (at && *at <= now_) candidates.push_back(&resident);
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Resident* a, const Resident* b) {
                       if ((a->leases == 0) != (b->leases == 0)) return a->leases == 0;
                       return a->last_used < b->last_used;
                     });
    for (Resident* resident : candidates) {
      if (stays <= ledger.budget_bytes()) break;
      stays -= resident->bytes();
      evict(*resident, "its memory was yielded to other programs");
      changed = true;
    }
  }
  return changed;
}

}  // namespace gpumodel::core

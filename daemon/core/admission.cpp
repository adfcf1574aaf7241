// Who gets memory next: plans for the queue in its order, and what follows when a plan falls
// through.
#include <algorithm>

#include "core/mutation.hpp"
#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {
namespace {

bool intersect(const std::vector<DeviceId>& devices, const Plan& plan) {
  return std::any_of(plan.places.begin(), plan.places.end(), [&](const Plan::Place& place) {
    return std::find(devices.begin(), devices.end(), place.device) != devices.end();
  });
}

std::vector<DeviceId> devices_of(const std::vector<PlanItem>& items) {
  std::vector<DeviceId> devices;
  for (const PlanItem& item : items) {
    for (const PlanItem::Choice& choice : item.choices) {
      if (std::find(devices.begin(), devices.end(), choice.device) == devices.end()) {
        devices.push_back(choice.device);
      }
    }
  }
  return devices;
}

}  // namespace

bool Core::State::admit_and_grant() {
  bool changed = false;
  std::vector<Stuck> stuck;
  std::optional<std::vector<PlanDevice>> devices;
  for (auto next = queue_.all().begin(); next != queue_.all().end();) {
    Waiter& waiter = (next++)->second;  // a grant takes it off the queue, and no other
    Lease* lease = waiter.lease ? leases_.find(waiter.lease) : nullptr;
    if (lease != nullptr && lease->resident) {
      // Its model came back for somebody else, perhaps elsewhere than where this waits for it.
      const RequestId request = waiter.request;
      drop_waiter(request);
      answer_use(request, *lease);
      changed = true;
      devices.reset();
      continue;
    }
    if (!waiter.admitted()) {
      if (!devices) devices = plan_devices();
      for (PlanDevice& device : *devices) {
        const auto holds = [&](const Stuck& one) {
          return std::find(one.devices.begin(), one.devices.end(), device.id) != one.devices.end();
        };
        device.closed |=
            std::any_of(stuck.begin(), stuck.end(), holds) && !mutated(Mutation::starve_head);
      }
      const Admission admission = try_admit(waiter, *devices, stuck);
      if (admission == Admission::stuck) continue;
      changed = true;
      devices.reset();
      if (admission == Admission::makes_room) continue;
    }
    if (grant_if_ready(waiter)) {
      changed = true;
      devices.reset();
    }
  }
  return changed;
}

Core::State::Admission Core::State::try_admit(Waiter& waiter,
                                              const std::vector<PlanDevice>& devices,
                                              std::vector<Stuck>& stuck) {
  std::vector<std::size_t> item_of;
  const std::vector<PlanItem> items = catalog_.items(waiter.models, item_of);
  const std::optional<Plan> plan = make_plan(devices, items);
  const auto ready = [&](const Plan::Place& place) {
    return place.resident && residency_.find(*place.resident)->state == Resident::State::ready;
  };
  bool admit = plan.has_value();
  if (admit && waiter.only_if_ready) {
    admit = std::all_of(plan->places.begin(), plan->places.end(), ready);
  }
  // Only joining what is there can get ahead of somebody: loads are kept off the devices of the
  // stuck.
  for (const Stuck& earlier : stuck) {
    if (!admit) break;
    admit = earlier.waiter->overtaken < kMaxOvertaken || !intersect(earlier.devices, *plan) ||
            mutated(Mutation::unbounded_overtaking);
  }
  if (!admit) {
    const bool room = !plan && start_over(waiter, devices, items);
    stuck.push_back(Stuck{&waiter, devices_of(items)});
    return room ? Admission::makes_room : Admission::stuck;
  }
  for (Stuck& earlier : stuck) {
    if (intersect(earlier.devices, *plan)) ++earlier.waiter->overtaken;
  }
  carry_out(waiter, *plan, item_of);
  return Admission::admitted;
}

bool Core::State::start_over(const Waiter& waiter, std::vector<PlanDevice> devices,
                             const std::vector<PlanItem>& items) {
  if (waiter.only_if_ready || (waiter.deadline && *waiter.deadline <= now_)) return false;
  for (PlanDevice& device : devices) {
    std::erase_if(device.residents,
                  [](const PlanResident& resident) { return resident.evictable; });
    if (device.residents.empty()) device.residual_bytes = 0;
  }
  const std::optional<Plan> plan = make_plan(devices, items);
  if (!plan) return false;
  bool started = false;
  for (auto& [id, resident] : residency_.all()) {
    const bool in_the_way =
        std::any_of(plan->places.begin(), plan->places.end(), [&](const Plan::Place& place) {
          return !place.resident && place.device == resident.device;
        });
    if (in_the_way && resident.state == Resident::State::ready && resident.idle()) {
      start_unload(resident);
      started = true;
    }
  }
  return started;
}

void Core::State::carry_out(Waiter& waiter, const Plan& plan,
                            const std::vector<std::size_t>& item_of) {
  for (const ResidentId victim : plan.evictions) start_unload(*residency_.find(victim));
  std::vector<ResidentId> places;
  for (std::size_t item = 0; item < plan.places.size(); ++item) {
    if (plan.places[item].resident) {
      places.push_back(*plan.places[item].resident);
      continue;
    }
    std::vector<ModelId> models;
    for (std::size_t i = 0; i < waiter.models.size(); ++i) {
      if (item_of[i] == item) models.push_back(waiter.models[i]);
    }
    const WeightsId weights = catalog_.find(models.front())->spec->weights;
    const DeviceId device = plan.places[item].device;
    const Catalog::Shape shape = catalog_.shape(weights, device, models);
    Resident resident;
    resident.device = device;
    resident.weights = weights;
    resident.model = shape.model;
    resident.need = shape.need;
    resident.context_tokens = shape.context_tokens;
    places.push_back(residency_.plan(now_, std::move(resident)).id);
  }
  for (const std::size_t item : item_of) {
    waiter.residents.push_back(places[item]);
    ++residency_.find(places[item])->claims;
  }
  waiter.waited += now_ - waiter.queued_since;
  waiter.deadline.reset();
}

void Core::State::throw_back(Waiter& waiter) {
  for (const ResidentId id : waiter.residents) {
    if (Resident* resident = residency_.find(id)) --resident->claims;
  }
  waiter.residents.clear();
  waiter.queued_since = now_;
  // The limit holds for each time in the queue; a use is limited by whoever asked for it.
  if (!waiter.lease)
    waiter.deadline = now_ + (waiter.wait == Time{0} ? config_.max_wait : waiter.wait);
}

std::vector<RequestId> Core::State::claimers(ResidentId resident) const {
  std::vector<RequestId> requests;
  for (const auto& [order, waiter] : queue_.all()) {
    const auto& places = waiter.residents;
    if (std::find(places.begin(), places.end(), resident) != places.end()) {
      requests.push_back(waiter.request);
    }
  }
  return requests;
}

bool Core::State::expire() {
  bool changed = false;
  for (auto next = queue_.all().begin(); next != queue_.all().end();) {
    const Waiter& waiter = (next++)->second;
    if (waiter.admitted() || !waiter.deadline || *waiter.deadline > now_) continue;
    const RequestId request = waiter.request;
    drop_waiter(request);
    if (!mutated(Mutation::forget_waiting_answer)) refuse(request, {.code = Refusal::Code::busy});
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
        stays += resident.need.total();
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

std::vector<PlanDevice> Core::State::plan_devices() const {
  std::vector<PlanDevice> devices;
  devices.reserve(devices_.size());
  for (const auto& [id, device] : devices_) {
    const Ledger& ledger = residency_.ledger(id);
    devices.push_back(PlanDevice{id,
                                 ledger.budget_bytes(),
                                 ledger.residual_bytes(),
                                 device.engine.phase == EngineState::Phase::failed,
                                 {}});
  }
  for (const auto& [id, resident] : residency_.all()) {
    const auto device =
        std::find_if(devices.begin(), devices.end(),
                     [&](const PlanDevice& candidate) { return candidate.id == resident.device; });
    const bool ready = resident.state == Resident::State::ready;
    const bool unloading = resident.state == Resident::State::unloading;
    device->residents.push_back(
        PlanResident{id, resident.weights, resident.need.total(), ready,
                     resident.joinable() || (unloading && mutated(Mutation::grant_on_unloading)),
                     unloading, ready && resident.idle(), resident.last_used});
  }
  return devices;
}

Refusal Core::State::no_device(ModelId model) const {
  Refusal refusal{.code = Refusal::Code::device, .model = model, .reason = "no usable device"};
  for (const auto& [id, device] : devices_) {
    if (device.engine.phase == EngineState::Phase::failed) refusal.reason = device.engine.reason;
  }
  return refusal;
}

std::optional<Refusal> Core::State::impossible(const std::vector<ModelId>& models) const {
  const auto usable = [&](DeviceId id) {
    return devices_.at(id).engine.phase != EngineState::Phase::failed;
  };
  const auto never = [](ModelId model, const Shortage& shortage) {
    return Refusal{Refusal::Code::never_fits,
                   model,
                   shortage.needed_bytes,
                   shortage.missing_bytes,
                   shortage.capacity_bytes,
                   {},
                   {}};
  };
  for (const ModelId model : models) {
    const ModelEntry* entry = catalog_.find(model);
    if (entry == nullptr) return Refusal{.code = Refusal::Code::no_model, .model = model};
    if (!entry->bad_reason.empty()) {
      return Refusal{.code = Refusal::Code::model_bad, .model = model, .reason = entry->bad_reason};
    }
    if (entry->fits_on.empty()) {
      const auto& allowed = entry->spec->devices;
      const bool known = std::any_of(allowed.begin(), allowed.end(),
                                     [&](DeviceId id) { return devices_.count(id) != 0; });
      return known ? never(model, entry->shortage) : no_device(model);
    }
    if (std::none_of(entry->fits_on.begin(), entry->fits_on.end(), usable)) return no_device(model);
  }
  if (models.size() == 1) return std::nullopt;
  std::vector<std::size_t> item_of;
  const std::vector<PlanItem> items = catalog_.items(models, item_of);
  std::vector<PlanDevice> devices;
  for (const auto& [id, device] : devices_) {
    devices.push_back(PlanDevice{id, residency_.ledger(id).budget_bytes(), 0, false, {}});
  }
  if (const auto shortage = shortage_when_empty(devices, items)) {
    return never(items.size() == 1 ? models.front() : ModelId{}, *shortage);
  }
  for (PlanDevice& device : devices) device.closed = !usable(device.id);
  if (shortage_when_empty(devices, items)) return no_device(ModelId{});
  return std::nullopt;
}

void Core::State::recheck_waiters() {
  for (const RequestId request : queue_.requests()) {
    if (const auto refusal = impossible(queue_.find(request)->models)) {
      drop_waiter(request);
      refuse(request, *refusal);
    }
  }
}

}  // namespace gpumodel::core

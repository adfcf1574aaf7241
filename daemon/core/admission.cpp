// Who gets memory next: plans for the queue in the order of its turns.
#include <algorithm>
#include <tuple>
#include <utility>

#include "core/mutation.hpp"
#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

void Stuck::add(Waiter& waiter) {
  waiters.push_back(&waiter);
  closed.insert(waiter.devices.begin(), waiter.devices.end());
  if (waiter.overtaken >= kMaxOvertaken)
    exhausted.insert(waiter.devices.begin(), waiter.devices.end());
}

std::vector<RequestId> Core::State::in_order() const {
  if (mutated(Mutation::ignore_turns)) return queue_.requests();
  struct Place {
    bool queued;
    Fairness::Turn turn;
    RequestId request;
  };
  std::vector<Place> places;
  std::unordered_map<std::uint32_t, std::size_t> ahead;
  for (const auto& [order, waiter] : queue_.all()) {
    const bool queued = !waiter.admitted();
    places.push_back({queued,
                      queued ? fairness_.turn(waiter.uid, ahead[waiter.uid]++) : Fairness::Turn{},
                      waiter.request});
  }
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.queued, a.turn) < std::tie(b.queued, b.turn);
  });
  std::vector<RequestId> requests;
  requests.reserve(places.size());
  for (const Place& place : places) requests.push_back(place.request);
  return requests;
}

void Core::State::refresh(Waiter& waiter) const {
  if (waiter.catalog_version == catalog_.version()) return;
  waiter.catalog_version = catalog_.version();
  waiter.needed = catalog_.needed(waiter.models);
  waiter.devices.clear();
  for (const PlanItem& item : waiter.needed.items) {
    for (const PlanItem::Choice& choice : item.choices) waiter.devices.push_back(choice.device);
  }
  std::sort(waiter.devices.begin(), waiter.devices.end());
  waiter.devices.erase(std::unique(waiter.devices.begin(), waiter.devices.end()),
                       waiter.devices.end());
}

bool Core::State::admit_and_grant() {
  bool changed = false;
  Stuck stuck;
  std::optional<std::vector<PlanDevice>> devices;
  // What was joined is not evictable any more; whatever else a grant changes is about its session.
  const auto joined = [&](SessionId session, const std::vector<ResidentId>& residents) {
    changed = true;
    const auto& entry = sessions_.at(session);
    if (!devices || entry.leases.size() + entry.waiting.size() > residents.size()) {
      devices.reset();
      return;
    }
    for (PlanDevice& device : *devices) {
      for (PlanResident& resident : device.residents) {
        if (std::find(residents.begin(), residents.end(), resident.id) != residents.end())
          resident.evictable = false;
      }
    }
  };
  for (const RequestId request : in_order()) {
    Waiter& waiter = *queue_.find(request);
    const SessionId session = waiter.session;
    Lease* lease = waiter.lease ? leases_.find(waiter.lease) : nullptr;
    if (lease != nullptr && lease->resident &&
        (waiter.admitted() || !over_hold(*lease) || !contended(*lease))) {
      // Its model came back for somebody else, perhaps elsewhere than where this waits for it.
      drop_waiter(request);
      answer_use(request, *lease);
      changed = true;
      devices.reset();
      continue;
    }
    const bool was_admitted = waiter.admitted();
    if (!was_admitted) {
      refresh(waiter);
      if (!devices) devices = plan_devices(now_);
      for (PlanDevice& device : *devices) {
        device.closed |= stuck.closed.count(device.id) != 0 && !mutated(Mutation::starve_head);
      }
      const Admission admission = try_admit(waiter, *devices, stuck);
      if (admission == Admission::stuck || admission == Admission::parked) {
        // That its session is blocked may make room.
        changed |= !std::exchange(waiter.tried, true);
        continue;
      }
      changed = true;
      if (admission == Admission::makes_room || admission == Admission::answered) {
        devices.reset();
        continue;
      }
    }
    const std::vector<ResidentId> residents = waiter.residents;
    if (grant_if_ready(waiter)) {
      joined(session, residents);
    } else if (!was_admitted) {
      devices.reset();  // what it claims is not evictable any more
    }
  }
  return changed;
}

Core::State::Admission Core::State::try_admit(Waiter& waiter,
                                              const std::vector<PlanDevice>& devices,
                                              Stuck& stuck) {
  const auto exhausted = [&](DeviceId device) { return stuck.exhausted.count(device) != 0; };
  waiter.parked = waiter.awaits_reading = false;
  if (!stuck.exhausted.empty() && !mutated(Mutation::unbounded_overtaking) &&
      std::all_of(waiter.devices.begin(), waiter.devices.end(), exhausted)) {
    stuck.add(waiter);
    return Admission::stuck;
  }
  const std::optional<Plan> plan = make_plan(devices, waiter.needed.items);
  if (plan && may_go_ahead(waiter, *plan, stuck)) {
    for (const Plan::Place& place : plan->places) {
      if (stuck.closed.count(place.device) == 0) continue;
      for (Waiter* earlier : stuck.waiters) {
        const auto& theirs = earlier->devices;
        if (std::find(theirs.begin(), theirs.end(), place.device) == theirs.end()) continue;
        if (++earlier->overtaken >= kMaxOvertaken)
          stuck.exhausted.insert(theirs.begin(), theirs.end());
      }
      break;
    }
    carry_out(waiter, *plan);
    return Admission::admitted;
  }
  if (!plan && stop_prefetches(waiter)) {
    stuck.add(waiter);
    return Admission::makes_room;
  }
  switch (plan ? InTheWay::nothing : in_the_way(waiter)) {
    case InTheWay::foreign:
      if (!waiter.wait_foreign) {
        const Refusal refusal = foreign_refusal(waiter);
        const RequestId request = waiter.request;
        drop_waiter(request);
        refuse(request, refusal);
        return Admission::answered;
      }
      [[fallthrough]];
    case InTheWay::other:
      waiter.parked = true;
      return Admission::parked;
    case InTheWay::unread:
      waiter.awaits_reading = true;
      for (const DeviceId device : waiter.devices) want_reading(devices_.at(device));
      break;
    case InTheWay::nothing:
      break;
  }
  const bool room = !plan && start_over(waiter, devices);
  stuck.add(waiter);
  return room ? Admission::makes_room : Admission::stuck;
}

bool Core::State::may_go_ahead(const Waiter& waiter, const Plan& plan, const Stuck& stuck) const {
  const auto ready = [&](const Plan::Place& place) {
    return place.resident && residency_.find(*place.resident)->state == Resident::State::ready;
  };
  if (waiter.only_if_ready && !std::all_of(plan.places.begin(), plan.places.end(), ready))
    return false;
  // Only joining what is there can get ahead of somebody: loads are kept off the devices of the
  // stuck. Who has held for too long gets ahead of nobody.
  const bool held_too_long = waiter.lease && leases_.all().at(waiter.lease).resident;
  const auto& ends = held_too_long ? stuck.closed : stuck.exhausted;
  if (mutated(Mutation::unbounded_overtaking)) return true;
  return std::none_of(plan.places.begin(), plan.places.end(),
                      [&](const Plan::Place& place) { return ends.count(place.device) != 0; });
}

void Core::State::carry_out(Waiter& waiter, const Plan& plan) {
  for (const ResidentId victim : plan.evictions)
    evict(*residency_.find(victim), "made room for a waiting request");
  std::vector<ResidentId> places;
  for (std::size_t item = 0; item < plan.places.size(); ++item) {
    if (plan.places[item].resident) {
      places.push_back(*plan.places[item].resident);
      continue;
    }
    const std::vector<ModelId> models = waiter.needed.models_on(item, waiter.models);
    const WeightsId weights = waiter.needed.items[item].weights;
    places.push_back(plan_resident(weights, plan.places[item].device, models).id);
  }
  const auto claim = [&](ResidentId id) {
    waiter.residents.push_back(id);
    ++residency_.find(id)->claims;
  };
  for (const std::size_t item : waiter.needed.weights_of) claim(places[item]);
  for (const auto& item : waiter.needed.adapter_of) {
    waiter.adapters.push_back(item ? places[*item] : ResidentId{});
    if (item) claim(places[*item]);
  }
  waiter.waited += now_ - waiter.queued_since;
  waiter.deadline.reset();
  fairness_.had_turn(waiter.uid);
}

Resident& Core::State::plan_resident(WeightsId weights, DeviceId device,
                                     const std::vector<ModelId>& models) {
  const Catalog::Shape shape = catalog_.shape(weights, device, models);
  Resident resident;
  resident.device = device;
  resident.weights = weights;
  resident.model = shape.model;
  resident.is_adapter = shape.is_adapter;
  resident.need = shape.need;
  resident.surplus_bytes = shape.surplus_bytes;
  resident.context_tokens = shape.context_tokens;
  return residency_.plan(now_, std::move(resident));
}

void Core::State::throw_back(Waiter& waiter) {
  for (const ResidentId id : waiter.residents) {
    if (Resident* resident = residency_.find(id)) --resident->claims;
  }
  waiter.residents.clear();
  waiter.adapters.clear();
  waiter.tried = false;
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

}  // namespace gpumodel::core

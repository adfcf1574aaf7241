// What would be done, and why things are as they are, in words.
#include <algorithm>

#include "core/state.hpp"

namespace gpumodel::core {

std::string Core::State::waiting_for(const Waiter& waiter) const {
  if (waiter.parked) {
    return waits_for_foreign(waiter.devices.empty() ? DeviceId{} : waiter.devices.front())
               ? "waits for memory that other programs hold"
               : "waits for memory that is kept free for other programs";
  }
  if (waiter.awaits_reading) return "waits for a reading of foreign memory";
  if (!waiter.admitted()) return "waits until enough memory is not in use by others";
  for (const ResidentId id : waiter.residents) {
    const Resident& resident = *residency_.find(id);
    if (resident.state != Resident::State::planned) continue;
    const EngineState::Phase phase = devices_.at(resident.device).engine.phase;
    if (phase != EngineState::Phase::running) return "waits for the engine";
    return devices_.at(resident.device).reading_since ? "waits for a reading of foreign memory"
                                                      : "waits for an unload";
  }
  return "loading";
}

PlanReport Core::State::plan(Time now, std::uint32_t uid,
                             const std::vector<ModelId>& models) const {
  using Action = PlanReport::Action;
  PlanReport report;
  if (draining_) report.error = Refusal{.code = Refusal::Code::draining};
  if (!report.error) report.error = impossible(models, false);
  AcquireRequest request;
  request.models = models;
  if (!report.error) report.error = over_quota(request, uid);
  if (report.error) {
    report.missing_bytes = report.error->missing_bytes;
    return report;
  }
  const Needed needed = catalog_.needed(models);
  const std::vector<PlanItem>& items = needed.items;
  const std::vector<PlanDevice> devices = plan_devices(now);
  const auto plan = make_plan(devices, items);
  report.fits = plan.has_value();
  if (!plan) {
    explain_wait(devices, items, report);
    return report;
  }
  report.total = Time{0};
  const auto add = [&](PlanReport::Step step) {
    if (!step.takes)
      report.total.reset();
    else if (report.total)
      *report.total += *step.takes;
    report.steps.push_back(std::move(step));
  };
  for (const ResidentId id : plan->evictions) {
    const Resident& victim = *residency_.find(id);
    for (const auto& [lease_id, lease] : leases_.all()) {
      if (lease.resident == id || lease.adapter == id)
        add({Action::suspend, lease.model, victim.device, 0, Time{0}});
    }
    add({Action::evict, victim.model, victim.device, victim.bytes(),
         history_.unload(victim.bytes())});
  }
  for (std::size_t i = 0; i < plan->places.size(); ++i) {
    const Plan::Place& place = plan->places[i];
    const ModelId model = needed.models_on(i, models).front();
    const WeightsId weights = items[i].weights;
    if (place.resident) {
      const Resident& resident = *residency_.find(*place.resident);
      const bool ready = resident.state == Resident::State::ready;
      add({Action::join, model, place.device, resident.bytes(),
           ready ? std::optional(Time{0}) : load_estimate(weights)});
      continue;
    }
    const Bytes bytes = catalog_.shape(weights, place.device, {model}).bytes();
    add({images_.complete(weights) ? Action::load_from_host : Action::load, model, place.device,
         bytes, load_estimate(weights)});
  }
  return report;
}

void Core::State::explain_wait(const std::vector<PlanDevice>& devices,
                               const std::vector<PlanItem>& items, PlanReport& report) const {
  using Action = PlanReport::Action;
  // Missing beside what may go at once; ours in the way is waited for.
  if (const auto shortage = shortage_when_empty(devices, items))
    report.missing_bytes = shortage->missing_bytes;
  for (const PlanDevice& device : devices) {
    const bool allowed = std::any_of(items.begin(), items.end(), [&](const PlanItem& item) {
      return std::any_of(
          item.choices.begin(), item.choices.end(),
          [&](const PlanItem::Choice& choice) { return choice.device == device.id; });
    });
    if (!allowed) continue;
    for (const PlanResident& held : device.residents) {
      if (held.evictable || held.unloading) continue;
      const Resident& resident = *residency_.find(held.id);
      report.steps.push_back({Action::wait, resident.model, device.id, resident.bytes(),
                              history_.hold(resident.model)});
    }
  }
}

WhyReport Core::State::why(ModelId model) const {
  const ModelEntry* entry = catalog_.find(model);
  if (entry == nullptr) return {ModelState::not_loaded, "it is not configured"};
  const ModelRow row = model_row(*entry);
  return {row.state, reason_of(*entry, row)};
}

std::string Core::State::reason_of(const ModelEntry& entry, const ModelRow& row) const {
  if (row.state == ModelState::failed) return row.error;
  for (const auto& [order, waiter] : queue_.all()) {
    const auto& models = waiter.models;
    if (std::find(models.begin(), models.end(), entry.id) == models.end()) continue;
    if (row.state != ModelState::ready) return "somebody " + waiting_for(waiter) + " for it";
  }
  const Resident* resident = resident_of(entry);
  switch (row.state) {
    case ModelState::loading:
      return resident->idle() ? "it is loaded ahead of its first use" : "somebody acquired it";
    case ModelState::ready:
      if (resident->leases == 1) return "a lease holds it";
      if (resident->leases != 0) return std::to_string(resident->leases) + " leases hold it";
      if (resident->claims != 0) return "it waits for the rest of a set";
      if (is_pinned(*resident)) return "it is pinned";
      if (wanted_soon(*resident)) return "a connection said that it will want it soon";
      if (wanted(*resident)) return "somebody waits for it";
      return "it is kept until its memory is needed or its time is over";
    case ModelState::suspended:
      return "its leases are idle, and its memory went to somebody who waited";
    case ModelState::unloading:
      return "its memory is being given back";
    case ModelState::unloaded:
      return images_.complete(entry.spec->weights)
                 ? "nobody uses it; its image is in the host cache"
                 : "nobody uses it";
    case ModelState::not_loaded:
    case ModelState::failed:
      break;
  }
  return "nobody has acquired it yet";
}

}  // namespace gpumodel::core

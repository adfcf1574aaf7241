// What follows from the state alone: residents that nobody needs any more go, engines start, load,
// stop.
#include <algorithm>

#include "core/mutation.hpp"
#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

bool Core::State::settle_residents() {
  bool changed = false;
  std::vector<ResidentId> unplanned;
  for (auto& [id, resident] : residency_.all()) {
    if (!resident.idle()) continue;
    const bool soon = wanted_soon(resident) || resident.preloaded;
    switch (resident.state) {
      case Resident::State::planned:
        if (!soon) unplanned.push_back(id);
        break;
      case Resident::State::loading:
        if (soon || resident.cancelled || mutated(Mutation::forget_cancel_load)) break;
        resident.cancelled = true;
        emit(CancelLoad{resident.device, id});
        changed = true;
        break;
      case Resident::State::ready:
        if (kept(resident) || wanted(resident) || soon) {
          if (!devices_.at(resident.device).draining || is_pinned(resident)) break;
        }
        if (mutated(Mutation::forget_unload)) break;
        start_unload(resident);
        changed = true;
        break;
      case Resident::State::unloading:
        break;
    }
  }
  for (const ResidentId id : unplanned) remove_resident(id);
  return changed || !unplanned.empty();
}

bool Core::State::is_beside_weights(const Resident& adapter) const {
  const auto& models = catalog_.sharers(adapter.weights);
  return std::any_of(models.begin(), models.end(), [&](ModelId model) {
    const Resident* weights = residency_.at(catalog_.find(model)->spec->weights, adapter.device);
    return weights != nullptr && weights->joinable();
  });
}

bool Core::State::kept(const Resident& resident) const {
  const bool is_stray = resident.is_adapter && !is_beside_weights(resident);
  if (is_stray && !mutated(Mutation::keep_stray_adapter)) return false;
  if (resident.preloaded || is_pinned(resident)) return true;
  return std::any_of(resident.kept_for.begin(), resident.kept_for.end(), [&](const auto& kept) {
    return kept_until(kept.first, kept.second).value_or(Time::max()) > now_;
  });
}

std::optional<Time> Core::State::kept_until(ModelId model, Time released) const {
  const ModelEntry* entry = catalog_.find(model);
  if (entry == nullptr || !entry->spec || entry->removed) return released;
  const AutoUnload& policy = entry->spec->policy.auto_unload;
  switch (policy.kind) {
    case AutoUnload::Kind::at_last_release:
      break;
    case AutoUnload::Kind::when_needed:
      return std::nullopt;
    case AutoUnload::Kind::after:
      return released + policy.after;
  }
  return released;
}

bool Core::State::wanted_soon(const Resident& resident) const {
  const std::vector<ModelId> soon = prefetches_.models(now_);
  return std::any_of(soon.begin(), soon.end(), [&](ModelId model) {
    const ModelEntry* entry = catalog_.find(model);
    return entry != nullptr && !entry->removed && serves(resident, model);
  });
}

bool Core::State::wanted(const Resident& resident) const {
  for (const auto& [order, waiter] : queue_.all()) {
    if (waiter.admitted()) continue;
    for (const ModelId model : waiter.models) {
      if (serves(resident, model)) return true;
    }
  }
  return false;
}

bool Core::State::serves(const Resident& resident, ModelId model) const {
  const ModelEntry* entry = catalog_.find(model);
  if (entry == nullptr || !entry->spec) return false;
  const auto& devices = entry->fits_on;
  return entry->needs(resident.weights) &&
         std::find(devices.begin(), devices.end(), resident.device) != devices.end();
}

bool Core::State::settle_removed() {
  bool changed = false;
  std::vector<ModelId> gone;
  for (auto& [id, entry] : catalog_.all()) {
    if (!entry.removed || leases_.count_of_model(id) != 0) continue;
    bool there = false;
    for (auto& [resident_id, resident] : residency_.all()) {
      if (!entry.needs(resident.weights)) continue;
      if (const ModelId heir = heir_of(entry, resident.weights)) {
        if (resident.model == id) resident.model = heir;
        continue;
      }
      there = true;
      resident.preloaded = false;
      if (resident.state != Resident::State::ready || !resident.idle()) continue;
      start_unload(resident);
      changed = true;
    }
    if (!there) gone.push_back(id);
  }
  for (const ModelId id : gone) {
    history_.forget(id);
    catalog_.remove(id);
  }
  return changed || !gone.empty();
}

ModelId Core::State::heir_of(const ModelEntry& removed, WeightsId weights) const {
  for (const ModelId model : catalog_.sharers(weights)) {
    const bool stays = !catalog_.find(model)->removed || leases_.count_of_model(model) != 0;
    if (model != removed.id && stays) return model;
  }
  return {};
}

void Core::State::start_unload(Resident& resident) {
  residency_.start_unloading(now_, resident);
  happened(Happened::Type::unloading, resident.model, resident.device, resident.bytes());
  emit(Unload{resident.device, resident.id});
}

void Core::State::remove_resident(ResidentId id) {
  const WeightsId weights = residency_.find(id)->weights;
  release_image(*residency_.find(id));
  residency_.remove(id);
  for (auto& [model, entry] : catalog_.all()) {
    if (!entry.needs(weights)) continue;
    entry.since = now_;
    if (entry.next && !in_use(entry)) catalog_.adopt(entry, ModelSpec(*entry.next));
  }
}

void Core::State::drive_engine(Device& device) {
  EngineState& engine = device.engine;
  const bool planned = residency_.ledger(device.spec.id).planned_bytes() != 0;
  switch (engine.phase) {
    case EngineState::Phase::backoff:
      if (now_ < engine.retry_at || !planned) break;
      ++engine.restarts;
      [[fallthrough]];
    case EngineState::Phase::stopped:
      if (!planned) break;
      engine.phase = EngineState::Phase::starting;
      emit(StartEngine{device.spec.id});
      break;
    case EngineState::Phase::running:
      if (planned) start_loads(device);
      stop_if_idle(device);
      break;
    case EngineState::Phase::starting:
    case EngineState::Phase::stopping:
    case EngineState::Phase::failed:
      break;
  }
}

void Core::State::start_loads(Device& device) {
  for (auto& [id, resident] : residency_.all()) {
    if (resident.device != device.spec.id || resident.state != Resident::State::planned) continue;
    const bool room = residency_.ledger(resident.device).has_room(resident.bytes());
    if (!room && !mutated(Mutation::exceed_budget)) continue;
    if (!device.fresh && !mutated(Mutation::skip_reading)) return want_reading(device);
    start_load(resident);
  }
}

void Core::State::start_load(Resident& resident) {
  residency_.start_loading(now_, resident);
  for (const ModelId model : catalog_.sharers(resident.weights))
    catalog_.find(model)->error.clear();
  resident.image = image_for(resident);
  happened(Happened::Type::loading, resident.model, resident.device, resident.bytes(), Time{0},
           resident.image == HostImage::use ? "from the host cache" : "from its files");
  emit(Load{resident.device, resident.id, resident.weights, resident.model, resident.need,
            resident.context_tokens, resident.image, resident.is_adapter});
}

void Core::State::stop_if_idle(Device& device) {
  const Ledger& ledger = residency_.ledger(device.spec.id);
  EngineState& engine = device.engine;
  if (ledger.used_bytes() != ledger.residual_bytes() || fills_on(device.spec.id)) {
    engine.idle_since.reset();
    return;
  }
  if (!engine.idle_since) engine.idle_since = now_;
  // Residual memory comes back with the end of the process; a load that is still only planned here
  // has no room because of it.
  const bool restart = ledger.residual_bytes() != 0;
  const bool over = ledger.empty() && now_ >= *engine.idle_since + config_.engine_grace;
  if ((!restart && !over) || mutated(Mutation::forget_engine_stop)) return;
  engine.phase = EngineState::Phase::stopping;
  engine.idle_since.reset();
  emit(StopEngine{device.spec.id});
}

}  // namespace gpumodel::core

// The state in rows for people.
#include <algorithm>

#include "core/state.hpp"

namespace gpumodel::core {
namespace {

DeviceRow::State row_state(EngineState::Phase phase) {
  switch (phase) {
    case EngineState::Phase::stopped:
      return DeviceRow::State::stopped;
    case EngineState::Phase::starting:
      return DeviceRow::State::starting;
    case EngineState::Phase::running:
    case EngineState::Phase::stopping:
      return DeviceRow::State::running;
    case EngineState::Phase::backoff:
      return DeviceRow::State::backoff;
    case EngineState::Phase::failed:
      return DeviceRow::State::failed;
  }
  return DeviceRow::State::failed;
}

Bytes adapter_bytes(const ModelEntry& entry) {
  return entry.spec && entry.spec->adapter ? entry.spec->adapter->bytes : 0;
}

ModelState row_state(Resident::State state) {
  switch (state) {
    case Resident::State::planned:
    case Resident::State::loading:
      return ModelState::loading;
    case Resident::State::ready:
      return ModelState::ready;
    case Resident::State::unloading:
      return ModelState::unloading;
  }
  return ModelState::failed;
}

}  // namespace

Snapshot Core::State::snapshot(Time now) const {
  Snapshot all;
  for (const auto& [id, device] : devices_) {
    const Ledger& ledger = residency_.ledger(id);
    const Bytes used = ledger.used_bytes();
    const Bytes budget = ledger.budget_bytes();
    all.devices.push_back(DeviceRow{id, row_state(device.engine.phase), device.engine.restarts,
                                    used, budget - std::min(budget, used), ledger.foreign_bytes(),
                                    ledger.yielded_bytes(), device.draining});
  }
  std::map<WeightsId, std::vector<ModelId>> sharers;
  for (const auto& [id, entry] : catalog_.all()) {
    all.models.push_back(model_row(entry));
    if (entry.spec) sharers[entry.spec->weights].push_back(id);
  }
  for (const auto& [weights, models] : sharers) {
    WeightsRow row{weights, std::nullopt, {}, models, Tier::disk};
    const ModelEntry& first = *catalog_.find(models.front());
    row.need = need_of(*first.spec, first.context_tokens);
    for (const ModelId model : models) {
      if (const Resident* resident = resident_of(*catalog_.find(model))) {
        row.device = resident->device;
        row.need = resident->need;
      }
    }
    row.residency = residency_now(first);
    all.weights.push_back(std::move(row));
  }
  for (const auto& [id, lease] : leases_.all()) {
    LeaseRow row{id,          lease.epoch, lease.model, lease.session, LeaseRow::State::held,
                 lease.since, {}};
    if (!lease.resident) row.state = LeaseRow::State::suspended;
    for (const RequestId request : sessions_.at(lease.session).waiting) {
      if (queue_.find(request)->lease == id) row.state = LeaseRow::State::resuming;
    }
    if (lease.uses.empty()) row.idle_since = lease.idle_since;
    all.leases.push_back(row);
  }
  std::uint32_t position = 0;
  Forecast forecast(*this, now);
  for (const RequestId request : in_order()) {
    const Waiter& waiter = *queue_.find(request);
    if (!waiter.admitted()) ++position;
    all.queue.push_back(QueueRow{waiter.request, waiter.admitted() ? 0 : position, waiter.models,
                                 waiter.session, waiter.since, forecast.next(waiter),
                                 waiting_for(waiter)});
  }
  for (const auto& [id, yield] : yields_.all()) {
    if (!yield.answered) continue;
    all.yields.push_back(
        YieldRow{id, yield.wish.device, yield.wish.bytes, yield.until, yield.wish.session});
  }
  all.host_cache = HostCacheRow{images_.capacity_bytes(), images_.used_bytes()};
  return all;
}

const Resident* Core::State::resident_of(const ModelEntry& entry) const {
  if (!entry.spec) return nullptr;
  for (const DeviceId device : entry.fits_on) {
    if (const Resident* resident = residency_.at(entry.spec->weights, device)) return resident;
  }
  return nullptr;
}

const Resident* Core::State::adapter_of(const ModelEntry& entry) const {
  const Resident* weights = resident_of(entry);
  if (weights == nullptr || !entry.spec->adapter) return nullptr;
  return residency_.at(entry.spec->adapter->id, weights->device);
}

ModelRow Core::State::model_row(const ModelEntry& entry) const {
  ModelRow row;
  row.pinned = entry.is_pinned();
  row.preload = entry.spec && entry.spec->policy.preload;
  row.model = entry.id;
  row.context_tokens = entry.context_tokens;
  row.leases = leases_.count_of_model(entry.id);
  row.since = entry.since;
  row.load = entry.load;
  row.unload = entry.unload;
  row.error = entry.bad_reason.empty() ? entry.error : entry.bad_reason;
  for (const auto& [order, waiter] : queue_.all()) {
    row.waiting += std::count(waiter.models.begin(), waiter.models.end(), entry.id) != 0;
  }
  if (entry.spec) row.device_bytes = need_of(*entry.spec, entry.context_tokens).total();
  const Resident* adapter = adapter_of(entry);
  row.adapter_bytes = adapter ? adapter->need.total() : adapter_bytes(entry);
  const Resident* resident = resident_of(entry);
  // Without its adapter it is not there, whoever has its weights.
  if (resident != nullptr && entry.spec->adapter && adapter == nullptr) resident = nullptr;
  if (resident != nullptr) {
    row.device = resident->device;
    row.device_bytes = resident->need.total();
    row.context_tokens = std::min(row.context_tokens, resident->context_tokens);
    row.state = row_state(resident->state);
    if (adapter != nullptr && row.state == ModelState::ready) row.state = row_state(adapter->state);
    row.since = resident->since;
  } else if (!row.error.empty()) {
    row.state = ModelState::failed;
  } else if (row.leases != 0) {
    row.state = ModelState::suspended;
  } else if (entry.was_loaded) {
    row.state = ModelState::unloaded;
  }
  return row;
}

}  // namespace gpumodel::core

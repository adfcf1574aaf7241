// What cannot be granted: never, not to this user, or not because of other programs.
#include <algorithm>
#include <set>

#include "core/mutation.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

Refusal Core::State::no_device(ModelId model) const {
  Refusal refusal{.code = Refusal::Code::device, .model = model, .reason = "no usable device"};
  for (const auto& [id, device] : devices_) {
    if (device.engine.phase == EngineState::Phase::failed) refusal.reason = device.engine.reason;
  }
  return refusal;
}

std::optional<Refusal> Core::State::impossible(const std::vector<ModelId>& models,
                                               bool is_use) const {
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
                   {},
                   0};
  };
  for (const ModelId model : models) {
    const ModelEntry* entry = catalog_.find(model);
    const bool gone = entry == nullptr || (entry->removed && !is_use);
    if (gone && !(entry != nullptr && mutated(Mutation::keep_removed)))
      return Refusal{.code = Refusal::Code::no_model, .model = model};
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
  const std::vector<PlanItem> items = catalog_.needed(models).items;
  std::vector<PlanDevice> devices;
  for (const auto& [id, device] : devices_) {
    devices.push_back(PlanDevice{id, residency_.ledger(id).full_budget_bytes(), 0, false, {}});
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
    const Waiter& waiter = *queue_.find(request);
    if (const auto refusal = impossible(waiter.models, static_cast<bool>(waiter.lease))) {
      // What it needs together grew by what was measured: what is there already is there.
      if (waiter.admitted() && refusal->code == Refusal::Code::never_fits) continue;
      drop_waiter(request);
      refuse(request, *refusal);
    }
  }
}

Core::State::InTheWay Core::State::in_the_way(const Waiter& waiter) const {
  std::vector<PlanDevice> devices;
  bool reduced = false;
  bool unread = false;
  for (const DeviceId id : waiter.devices) {
    const Device& device = devices_.at(id);
    const Ledger& ledger = residency_.ledger(id);
    const bool closed = device.draining || device.engine.phase == EngineState::Phase::failed;
    reduced |= closed || ledger.budget_bytes() < ledger.full_budget_bytes();
    if (!closed && ledger.budget_without_yields() < ledger.full_budget_bytes())
      unread |= !device.read_at || *device.read_at < waiter.queued_since;
    devices.push_back(PlanDevice{id, ledger.budget_bytes(), 0, closed, {}});
  }
  if (!reduced || make_plan(devices, waiter.needed.items)) return InTheWay::nothing;
  for (PlanDevice& device : devices)
    device.budget_bytes = residency_.ledger(device.id).budget_without_yields();
  if (make_plan(devices, waiter.needed.items)) return InTheWay::other;
  for (PlanDevice& device : devices)
    device.budget_bytes = residency_.ledger(device.id).full_budget_bytes();
  if (!make_plan(devices, waiter.needed.items)) return InTheWay::other;
  return unread ? InTheWay::unread : InTheWay::foreign;
}

Refusal Core::State::foreign_refusal(const Waiter& waiter) const {
  std::vector<PlanDevice> devices;
  Refusal refusal{.code = Refusal::Code::foreign, .model = waiter.models.front()};
  for (const DeviceId id : waiter.devices) {
    const Ledger& ledger = residency_.ledger(id);
    devices.push_back(PlanDevice{id, ledger.budget_without_yields(), 0, false, {}});
    refusal.foreign_bytes += ledger.foreign_bytes();
  }
  if (const auto shortage = shortage_when_empty(devices, waiter.needed.items)) {
    refusal.needed_bytes = shortage->needed_bytes;
    refusal.missing_bytes = shortage->missing_bytes;
  }
  for (const DeviceId id : waiter.devices)
    refusal.capacity_bytes =
        std::max(refusal.capacity_bytes, residency_.ledger(id).full_budget_bytes());
  return refusal;
}

std::optional<Refusal> Core::State::over_quota(const AcquireRequest& request,
                                               std::uint32_t uid) const {
  if (mutated(Mutation::ignore_limits)) return std::nullopt;
  const auto over = [&](const char* limit) {
    return Refusal{.code = Refusal::Code::quota, .model = request.models.front(), .reason = limit};
  };
  if (config_.max_leases_per_user &&
      leases_.count_of_user(uid) + queue_.leases_of_user(uid) + request.models.size() >
          *config_.max_leases_per_user) {
    return over("leases");
  }
  if (!config_.max_device_bytes_per_user) return std::nullopt;
  std::set<ModelId> models(request.models.begin(), request.models.end());
  for (const auto& [id, lease] : leases_.all()) {
    if (lease.uid == uid) models.insert(lease.model);
  }
  for (const auto& [order, waiter] : queue_.all()) {
    if (waiter.uid == uid && waiter.admitted())
      models.insert(waiter.models.begin(), waiter.models.end());
  }
  std::map<WeightsId, Bytes> needs;
  for (const ModelId model : models) {
    const ModelEntry* entry = catalog_.find(model);
    if (entry == nullptr || !entry->spec) continue;
    Bytes& need = needs[entry->spec->weights];
    need = std::max(need, need_of(*entry->spec, entry->context_tokens).total());
    if (entry->spec->adapter) needs[entry->spec->adapter->id] = entry->spec->adapter->bytes;
  }
  Bytes all = 0;
  for (const auto& [weights, need] : needs) all += need;
  if (all > *config_.max_device_bytes_per_user) return over("device_memory");
  return std::nullopt;
}

void Core::State::want_reading(Device& device) {
  if (device.reading_since) return;
  device.reading_since = now_;
  emit(ReadMemory{device.spec.id});
}

}  // namespace gpumodel::core

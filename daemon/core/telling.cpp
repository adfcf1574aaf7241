// What waiters are told, and when the core wants to be asked again.
#include <algorithm>

#include "core/mutation.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

void Core::State::happened(Happened::Type type, ModelId model, DeviceId device, Bytes bytes,
                           Time took, std::string reason, std::optional<std::uint32_t> uid) {
  emit(Happened{type, model, device, uid, bytes, took, std::move(reason), false, {}, 0});
}

Core::State::Forecast::Forecast(const State& state, Time now) : state_(state) {
  for (const auto& [id, lease] : state.leases_.all()) {
    const Resident* resident = state.residency_.find(lease.resident);
    if (resident == nullptr) continue;
    std::optional<Time>& free_in = free_in_.try_emplace(resident->device, Time{0}).first->second;
    const auto hold = state.history_.hold(lease.model);
    if (!hold || !free_in) {
      free_in.reset();
      continue;
    }
    const Time held = now - lease.since;
    free_in = std::max(*free_in, *hold - std::min(*hold, held));
  }
}

std::optional<Time> Core::State::Forecast::next(const Waiter& waiter) {
  if (waiter.admitted()) return state_.load_eta(waiter);
  std::optional<Time> longest = Time{0};
  for (const PlanItem& item : waiter.needed.items) {
    std::optional<Time> soonest;
    DeviceId best;
    for (const PlanItem::Choice& choice : item.choices) {
      const auto free_in = free_in_.try_emplace(choice.device, Time{0}).first->second;
      if (!free_in || (soonest && *soonest <= *free_in)) continue;
      soonest = free_in;
      best = choice.device;
    }
    const auto load = state_.load_estimate(item.weights);
    if (!soonest || !load) {
      longest.reset();
      for (const PlanItem::Choice& choice : item.choices) free_in_[choice.device].reset();
      continue;
    }
    const Time there = *soonest + *load;
    if (longest) longest = std::max(*longest, there);
    const auto hold = state_.history_.hold(state_.catalog_.any_of(item.weights));
    free_in_[best] = hold ? std::optional(there + *hold) : std::nullopt;
  }
  return longest;
}

std::optional<Time> Core::State::load_estimate(WeightsId weights) const {
  const ModelEntry* entry = catalog_.find(catalog_.any_of(weights));
  if (entry == nullptr) return std::nullopt;
  const auto& adapter = entry->spec->adapter;
  const bool is_adapter = adapter && adapter->id == weights;
  return history_.load(images_.complete(weights),
                       is_adapter ? adapter->bytes : entry->spec->tensor_bytes);
}

void Core::State::tell_progress() {
  if (queue_.empty()) return;
  std::uint32_t position = 0;
  Forecast forecast(*this, now_);
  for (const RequestId request : in_order()) {
    Waiter& waiter = *queue_.find(request);
    if (!waiter.admitted()) ++position;
    const auto eta = forecast.next(waiter);
    if (waiter.lease) continue;  // a use is told nothing while it waits
    Progress progress = progress_of(waiter, waiter.admitted() ? 0 : position);
    progress.eta = eta;
    const auto& told = waiter.told;
    if (told && told->phase == progress.phase && told->position == progress.position &&
        told->fraction == progress.fraction) {
      continue;
    }
    if (!told && !waiter.admitted())
      happened(Happened::Type::queued, waiter.models.front(), {}, 0, Time{0}, waiting_for(waiter),
               waiter.uid);
    waiter.told = progress;
    emit(progress);
  }
}

Progress Core::State::progress_of(const Waiter& waiter, std::uint32_t position) const {
  Progress progress{waiter.request, Progress::Phase::queued, position, 0, std::nullopt};
  if (!waiter.admitted()) return progress;
  progress.phase = Progress::Phase::loading;
  double done = 0;
  double total = 0;
  for (const ResidentId id : waiter.residents) {
    const Resident& resident = *residency_.find(id);
    const auto bytes = static_cast<double>(resident.need.tensor_bytes);
    total += bytes;
    done += bytes * resident.fraction;
  }
  progress.fraction = total > 0 ? static_cast<float>(done / total) : 0;
  return progress;
}

std::optional<Time> Core::State::load_eta(const Waiter& waiter) const {
  Time longest{0};
  for (const ResidentId id : waiter.residents) {
    const Resident& resident = *residency_.find(id);
    if (resident.state == Resident::State::ready) continue;
    const auto whole = load_estimate(resident.weights);
    if (!whole) return std::nullopt;
    const auto left = static_cast<double>(whole->count()) * (1.0 - resident.fraction);
    longest = std::max(longest, Time(static_cast<Time::rep>(left)));
  }
  return longest;
}

void Core::State::want_wake_up() {
  std::optional<Time> next;
  // What is due already waits for something else than time.
  const auto want = [&](Time at) {
    if (at > now_) next = next ? std::min(*next, at) : at;
  };
  bool queued = yields_.any_waiting();
  for (const auto& [order, waiter] : queue_.all()) {
    queued |= !waiter.admitted();
    if (waiter.deadline && !waiter.awaits_reading) want(*waiter.deadline);
  }
  if (queued && !mutated(Mutation::forget_wake_up)) {
    // What may be evicted later is looked at again then.
    const LeasesOf leases = leases_of_residents();
    for (const auto& [id, resident] : residency_.all()) {
      for (const bool for_admin : {false, true}) {
        const auto at = evictable_at(resident, leases, for_admin);
        if (at) want(*at);
      }
    }
  }
  for (const auto& [id, yield] : yields_.all()) {
    if (!yield.answered) want(yield.deadline);
    if (yield.until) want(*yield.until);
  }
  if (const auto expiry = prefetches_.next_expiry()) want(*expiry);
  for (const auto& [id, resident] : residency_.all()) {
    if (resident.state != Resident::State::ready || !resident.idle()) continue;
    for (const auto& [model, released] : resident.kept_for) {
      if (const auto until = kept_until(model, released)) want(*until);
    }
  }
  for (const auto& [id, device] : devices_) {
    const EngineState& engine = device.engine;
    if (engine.idle_since) want(*engine.idle_since + config_.engine_grace);
    const bool failed = engine.phase == EngineState::Phase::failed;
    if (!device.reading_since && !failed && waits_for_foreign(id)) want(device.poll_at);
    const bool planned = residency_.ledger(id).planned_bytes() != 0;
    if (engine.phase == EngineState::Phase::backoff && planned) want(engine.retry_at);
  }
  if (next == told_wake_up_) return;
  told_wake_up_ = next;
  emit(WakeAt{next});
}

}  // namespace gpumodel::core

// What waiters are told, and when the core wants to be asked again.
#include <algorithm>

#include "core/state.hpp"

namespace gpumodel::core {

void Core::State::tell_progress() {
  std::uint32_t position = 0;
  for (auto& [order, waiter] : queue_.all()) {
    if (!waiter.admitted()) ++position;
    if (waiter.lease) continue;  // a use is told nothing while it waits
    const Progress progress = progress_of(waiter, waiter.admitted() ? 0 : position);
    const auto& told = waiter.told;
    if (told && told->phase == progress.phase && told->position == progress.position &&
        told->fraction == progress.fraction) {
      continue;
    }
    waiter.told = progress;
    emit(progress);
  }
}

Progress Core::State::progress_of(const Waiter& waiter, std::uint32_t position) const {
  Progress progress{waiter.request, Progress::Phase::queued, position, 0, eta(waiter)};
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

std::optional<Time> Core::State::eta(const Waiter& waiter) const {
  // How long others will hold their leases is anybody's guess; how long a load takes was measured.
  if (!waiter.admitted()) return std::nullopt;
  Time longest{0};
  for (const ResidentId id : waiter.residents) {
    const Resident& resident = *residency_.find(id);
    if (resident.state == Resident::State::ready) continue;
    const auto& history = catalog_.find(resident.model)->load;
    if (!history) return std::nullopt;
    const auto left = static_cast<double>(history->took.count()) * (1.0 - resident.fraction);
    longest = std::max(longest, Time(static_cast<Time::rep>(left)));
  }
  return longest;
}

void Core::State::want_wake_up() {
  std::optional<Time> next;
  const auto want = [&](Time at) { next = next ? std::min(*next, at) : at; };
  for (const auto& [order, waiter] : queue_.all()) {
    if (waiter.deadline) want(*waiter.deadline);
  }
  for (const auto& [id, resident] : residency_.all()) {
    const bool kept =
        resident.state == Resident::State::ready && resident.idle() && !resident.keep_until_needed;
    if (kept && resident.keep_until > now_) want(resident.keep_until);
  }
  for (const auto& [id, device] : devices_) {
    const EngineState& engine = device.engine;
    if (engine.idle_since) want(*engine.idle_since + config_.engine_grace);
    const bool planned = residency_.ledger(id).planned_bytes() != 0;
    if (engine.phase == EngineState::Phase::backoff && planned) want(engine.retry_at);
  }
  if (next == told_wake_up_) return;
  told_wake_up_ = next;
  emit(WakeAt{next});
}

}  // namespace gpumodel::core

// Who may lose what to a waiter, and who pays for the time on a device.
#include <algorithm>

#include "core/mutation.hpp"
#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

bool Core::State::blocked(SessionId id) const {
  const auto session = sessions_.find(id);
  if (session == sessions_.end()) return false;
  const auto& waiting = session->second.waiting;
  return std::any_of(waiting.begin(), waiting.end(), [&](RequestId request) {
    const Waiter& waiter = *queue_.find(request);
    return waiter.tried && !waiter.admitted();
  });
}

bool Core::State::waits_for(SessionId id, const Resident& resident) const {
  const auto session = sessions_.find(id);
  if (session == sessions_.end()) return false;
  const auto& waiting = session->second.waiting;
  return std::any_of(waiting.begin(), waiting.end(), [&](RequestId request) {
    const auto& models = queue_.find(request)->models;
    return std::any_of(models.begin(), models.end(),
                       [&](ModelId model) { return serves(resident, model); });
  });
}

bool Core::State::over_hold(const Lease& lease) const {
  return config_.max_hold && lease.contended >= *config_.max_hold;
}

bool Core::State::contended(const Lease& lease) const {
  const Resident* resident = residency_.find(lease.resident);
  if (resident == nullptr) return false;
  const auto waits = [&](const auto& entry) {
    const Waiter& waiter = entry.second;
    if (waiter.admitted() || waiter.parked || waiter.session == lease.session) return false;
    const auto& devices = waiter.devices;
    return std::find(devices.begin(), devices.end(), resident->device) != devices.end();
  };
  return std::any_of(queue_.all().begin(), queue_.all().end(), waits);
}

std::optional<Time> Core::State::suspendable_at(const Lease& lease) const {
  if (!lease.uses.empty() && !mutated(Mutation::suspend_busy)) return std::nullopt;
  const ModelEntry* entry = catalog_.find(lease.model);
  const std::optional<Time>& grace = entry->spec->policy.idle_grace;
  if (!grace) return std::nullopt;
  if (blocked(lease.session) || mutated(Mutation::ignore_idle_grace)) return now_;
  Time at = lease.idle_since + *grace;
  if (config_.max_hold)
    at = std::min(at, now_ + std::max(Time{0}, *config_.max_hold - lease.contended));
  return at;
}

Core::State::LeasesOf Core::State::leases_of_residents() const {
  LeasesOf leases;
  for (const auto& [id, lease] : leases_.all()) {
    if (lease.resident) leases[lease.resident].push_back(&lease);
    if (lease.adapter) leases[lease.adapter].push_back(&lease);
  }
  return leases;
}

bool Core::State::is_pinned(const Resident& resident) const {
  if (resident.is_adapter && !is_beside_weights(resident)) return false;
  const auto& sharers = catalog_.sharers(resident.weights);
  return std::any_of(sharers.begin(), sharers.end(), [&](ModelId model) {
    const ModelEntry& entry = *catalog_.find(model);
    return entry.is_pinned() && !entry.removed;
  });
}

std::optional<Time> Core::State::evictable_at(const Resident& resident, const LeasesOf& leases,
                                              bool for_admin) const {
  if (resident.state != Resident::State::ready || resident.claims != 0) return std::nullopt;
  if (is_pinned(resident) && !mutated(Mutation::evict_pinned)) return std::nullopt;
  Time at = now_;
  const bool only_waiters =
      !resident.had_other_users &&
      std::all_of(resident.users.begin(), resident.users.end(), [&](SessionId session) {
        return blocked(session) && !waits_for(session, resident);
      });
  // An adapter is back in milliseconds: the weights have their time, it needs none.
  if (!for_admin && !only_waiters && !resident.is_adapter &&
      !mutated(Mutation::ignore_min_residency))
    at = std::max(at, resident.since + config_.min_residency);
  const auto found = leases.find(resident.id);
  if (found == leases.end()) return at;
  for (const Lease* lease : found->second) {
    const auto suspendable = suspendable_at(*lease);
    if (!suspendable) return std::nullopt;
    at = std::max(at, *suspendable);
  }
  return at;
}

void Core::State::suspend(Lease& lease) {
  const DeviceId device = residency_.find(lease.resident)->device;
  unbind(lease);
  if (!mutated(Mutation::forget_suspended)) emit(Suspended{lease.id});
  happened(Happened::Type::suspended, lease.model, device, 0, Time{0},
           "somebody else waits for its memory", lease.uid);
}

void Core::State::evict(Resident& resident, const std::string& reason) {
  for (auto& [id, lease] : leases_.all()) {
    const bool bound = lease.resident == resident.id || lease.adapter == resident.id;
    if (bound && !mutated(Mutation::evict_leased)) suspend(lease);
  }
  happened(Happened::Type::evicting, resident.model, resident.device, resident.bytes(), Time{0},
           reason);
  start_unload(resident);
}

void Core::State::settle_fairness() {
  std::set<std::uint32_t> active;
  for (const auto& [order, waiter] : queue_.all()) active.insert(waiter.uid);
  if (active.empty()) return fairness_.settle(active);
  for (const auto& [id, lease] : leases_.all()) {
    if (!lease.uses.empty()) active.insert(lease.uid);
  }
  fairness_.settle(active);
}

void Core::State::charge(Time passed) {
  if (passed == Time{0}) return;
  struct Wanted {
    std::set<std::uint32_t> uids;
    std::set<SessionId> sessions;  // two are enough to know that another one waits
  };
  std::map<DeviceId, Wanted> wanted;
  for (const auto& [order, waiter] : queue_.all()) {
    if (waiter.admitted() || waiter.parked) continue;
    for (const DeviceId device : waiter.devices) {
      Wanted& here = wanted[device];
      here.uids.insert(waiter.uid);
      if (here.sessions.size() < 2) here.sessions.insert(waiter.session);
    }
  }
  if (wanted.empty()) return;
  std::map<ResidentId, std::set<std::uint32_t>> users;
  for (auto& [id, lease] : leases_.all()) {
    if (!lease.resident) continue;
    users[lease.resident].insert(lease.uid);
    const auto here = wanted.find(residency_.find(lease.resident)->device);
    if (here == wanted.end()) continue;
    const auto& sessions = here->second.sessions;
    if (sessions.size() > 1 || *sessions.begin() != lease.session) lease.contended += passed;
  }
  for (const auto& [order, waiter] : queue_.all()) {
    for (const ResidentId id : waiter.residents) users[id].insert(waiter.uid);
  }
  for (const auto& [id, uids] : users) {
    const Resident& resident = *residency_.find(id);
    if (resident.state == Resident::State::planned) continue;
    const auto here = wanted.find(resident.device);
    if (here == wanted.end()) continue;
    for (const std::uint32_t uid : uids) {
      const auto& others = here->second.uids;
      if (others.size() - others.count(uid) == 0) continue;
      fairness_.charge(uid, Fairness::Cost(passed) / static_cast<std::int64_t>(uids.size()));
    }
  }
}

}  // namespace gpumodel::core

// Leases begin and end, and every answer to a client but that of an unload.
#include <algorithm>
#include <array>

#include "core/mutation.hpp"
#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

bool Core::State::grant_if_ready(Waiter& waiter) {
  const auto ready = [&](ResidentId id) {
    const Resident& resident = *residency_.find(id);
    return resident.state == Resident::State::ready || mutated(Mutation::grant_on_unloading);
  };
  const auto first_of_rest = waiter.residents.begin() + (mutated(Mutation::partial_set) ? 1 : 0);
  if (!ready(waiter.residents.front())) return false;
  if (first_of_rest == waiter.residents.begin() &&
      !std::all_of(
          waiter.residents.begin(),
          mutated(Mutation::partial_adapter)
              ? waiter.residents.begin() + static_cast<std::ptrdiff_t>(waiter.models.size())
              : waiter.residents.end(),
          ready)) {
    return false;
  }
  grant(waiter);
  return true;
}

void Core::State::grant(Waiter& waiter) {
  if (waiter.lease) {
    const RequestId request = waiter.request;
    Lease& lease = *leases_.find(waiter.lease);
    if (!lease.resident) resume(lease, waiter.residents.front(), waiter.adapters.front());
    drop_waiter(request);
    return answer_use(request, lease);
  }
  Granted answer{waiter.request, {}, waiter.waited, now_ - waiter.since - waiter.waited};
  for (std::size_t i = 0; i < waiter.models.size(); ++i) {
    Lease lease;
    lease.model = waiter.models[i];
    lease.session = waiter.session;
    lease.uid = waiter.uid;
    lease.asked_context_tokens = waiter.context_tokens;
    lease.since = lease.idle_since = now_;
    Lease& added = leases_.add(std::move(lease));
    bind(added, waiter.residents[i], waiter.adapters[i]);
    sessions_.at(waiter.session).leases.insert(added.id);
    prefetches_.granted(waiter.session, added.model);
    answer.leases.push_back(granted(added));
  }
  for (const GrantedLease& lease : answer.leases)
    happened(Happened::Type::granted, lease.model, lease.device, 0, now_ - waiter.since, {},
             waiter.uid);
  drop_waiter(waiter.request);
  if (mutated(Mutation::answer_twice)) emit(answer);
  emit(std::move(answer));
}

void Core::State::answer_use(RequestId request, Lease& lease) {
  leases_.start_use(lease, request);
  for (const ResidentId id : {lease.resident, lease.adapter}) {
    if (Resident* resident = residency_.find(id)) resident->last_used = now_;
  }
  emit(Usable{request, granted(lease)});
}

GrantedLease Core::State::granted(const Lease& lease) const {
  const Resident& resident = *residency_.find(lease.resident);
  std::uint32_t tokens =
      std::min(catalog_.find(lease.model)->context_tokens, resident.context_tokens);
  if (lease.asked_context_tokens != 0) tokens = std::min(tokens, lease.asked_context_tokens);
  return GrantedLease{lease.id,    lease.epoch,   lease.model, resident.device,
                      resident.id, lease.adapter, tokens};
}

void Core::State::bind(Lease& lease, ResidentId resident, ResidentId adapter) {
  require(!lease.resident, "a lease is bound once");
  lease.resident = resident;
  lease.adapter = adapter;
  lease.contended = Time{0};
  for (const ResidentId id : {resident, adapter}) {
    Resident* bound = residency_.find(id);
    if (bound == nullptr) continue;
    ++bound->leases;
    bound->users.insert(lease.session);
    bound->last_used = now_;
  }
}

void Core::State::unbind(Lease& lease) {
  for (const ResidentId id : {lease.resident, lease.adapter}) {
    Resident* bound = residency_.find(id);
    if (bound == nullptr) continue;
    require(bound->leases > 0, "the leases of a resident add up");
    --bound->leases;
  }
  lease.resident = lease.adapter = ResidentId{};
  lease.contended = Time{0};
}

void Core::State::resume(Lease& lease, ResidentId resident, ResidentId adapter) {
  bind(lease, resident, adapter);
  if (!mutated(Mutation::forget_resume)) emit(Resumed{lease.id});
  happened(Happened::Type::resumed, lease.model, residency_.find(resident)->device, 0, Time{0}, {},
           lease.uid);
}

void Core::State::bind_suspended(const Resident& fresh) {
  const auto ready = [&](WeightsId weights) {
    const Resident* resident = residency_.at(weights, fresh.device);
    return resident != nullptr && resident->state == Resident::State::ready ? resident->id
                                                                            : ResidentId{};
  };
  for (auto& [id, lease] : leases_.all()) {
    if (lease.resident || !serves(fresh, lease.model)) continue;
    const ModelSpec& spec = *catalog_.find(lease.model)->spec;
    const ResidentId weights = ready(spec.weights);
    const ResidentId adapter = spec.adapter ? ready(spec.adapter->id) : ResidentId{};
    if (weights && (adapter || !spec.adapter)) resume(lease, weights, adapter);
  }
}

void Core::State::tell_released(const Lease& lease, const std::string& reason) {
  const Resident* resident = residency_.find(lease.resident);
  happened(Happened::Type::released, lease.model, resident ? resident->device : DeviceId{}, 0,
           now_ - lease.since, reason, lease.uid);
}

void Core::State::end_lease(LeaseId id) {
  Lease& lease = *leases_.find(id);
  SessionEntry& session = sessions_.at(lease.session);
  const std::set<RequestId> waiting = session.waiting;
  for (const RequestId request : waiting) {
    if (queue_.find(request)->lease != id) continue;
    drop_waiter(request);
    refuse(request, {.code = Refusal::Code::lease_lost});
  }
  for (const ResidentId bound : {lease.resident, lease.adapter}) {
    Resident* resident = residency_.find(bound);
    if (resident == nullptr) continue;
    resident->last_used = now_;
    resident->preloaded = false;
    resident->kept_for[lease.model] = now_;
  }
  unbind(lease);
  history_.held(lease.model, now_ - lease.since);
  session.leases.erase(id);
  leases_.remove(id);
}

void Core::State::answer_release() {
  if (!releasing_) return;
  const PendingRelease release = *std::exchange(releasing_, std::nullopt);
  using Outcome = ReleaseReport::Outcome;
  ReleaseReport report;
  const Resident* resident = residency_.find(release.resident);
  std::vector<ResidentId> going;
  for (const ResidentId id : {release.resident, release.adapter}) {
    const Resident* part = residency_.find(id);
    if (part != nullptr && part->state == Resident::State::unloading) going.push_back(id);
  }
  const bool weights_stay = resident != nullptr && resident->state != Resident::State::unloading;
  if (weights_stay) {
    const bool stays = kept(*resident);
    report.remaining_leases = resident->leases;
    report.outcome = resident->leases != 0 ? Outcome::still_leased
                     : stays               ? Outcome::kept
                                           : Outcome::kept_wanted;
    if (!going.empty()) unloads_[release.request] = {0, report, report.outcome};
  }
  if (!going.empty()) return answer_after_unloads(release, going);
  if (!weights_stay) {
    // It was suspended: nothing of it was on a device.
    report.remaining_leases = leases_.count_of_model(release.model);
    report.outcome = report.remaining_leases != 0 ? Outcome::still_leased : Outcome::freed;
  }
  emit(Released{release.request, report});
}

void Core::State::answer_after_unloads(const PendingRelease& release,
                                       const std::vector<ResidentId>& going) {
  unloads_[release.request].left = going.size();
  for (const ResidentId id : going)
    residency_.find(id)->releases.push_back({release.request, release.session, release.model});
}

void Core::State::refuse(RequestId request, Refusal refusal) {
  static constexpr std::array kWords{"no such model",
                                     "its files cannot be used",
                                     "it can never fit",
                                     "its wait was over",
                                     "its lease is gone",
                                     "no usable device",
                                     "over a user's limit",
                                     "the daemon drains",
                                     "it was cancelled",
                                     "memory did not come back",
                                     "other programs hold the memory"};
  happened(Happened::Type::refused, refusal.model, {}, refusal.missing_bytes, Time{0},
           kWords.at(static_cast<std::size_t>(refusal.code)));
  emit(Refused{request, std::move(refusal)});
}

void Core::State::drop_waiter(RequestId request) {
  Waiter* waiter = queue_.find(request);
  if (waiter == nullptr) return;
  for (const ResidentId id : waiter->residents) {
    if (Resident* resident = residency_.find(id)) --resident->claims;
  }
  sessions_.at(waiter->session).waiting.erase(request);
  queue_.remove(request);
}

}  // namespace gpumodel::core

// What the configuration and clients ask for.
#include <algorithm>

#include "core/mutation.hpp"
#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

void Core::State::adopt(const CoreConfig& config) {
  config_ = config;
  fairness_.set_quantum(std::max(config.min_residency, Time(std::chrono::seconds(1))));
  images_.set_capacity(config.host_cache_bytes);
  if (images_.used_bytes() <= images_.capacity_bytes()) return;
  for (const WeightsId weights : images_.unused(images_.used_bytes() - images_.capacity_bytes()))
    drop_image(weights, "the host cache became smaller");
}

void Core::State::add_device(const DeviceSpec& device) {
  const auto [it, fresh] = devices_.try_emplace(device.id, Device{.spec = device});
  if (!fresh) {
    // A known device comes back from failure; its size changes only while nothing is on it.
    if (it->second.engine.phase == EngineState::Phase::failed) {
      it->second.engine.phase = EngineState::Phase::stopped;
    }
    if (!residency_.ledger(device.id).empty()) return;
    it->second.spec = device;
  }
  residency_.add_device(device);
  catalog_.add_device(device);
}

bool Core::State::in_use(const ModelEntry& entry) const {
  if (!entry.spec) return false;
  const auto& adapter = entry.spec->adapter;
  return leases_.count_of_model(entry.id) != 0 || residency_.any_of(entry.spec->weights) ||
         (adapter && residency_.any_of(adapter->id));
}

void Core::State::set_model(const ModelSpec& model) {
  require(static_cast<bool>(model.id) && static_cast<bool>(model.weights), "a model has ids");
  ModelEntry& entry = catalog_.entry(model.id);
  entry.id = model.id;
  entry.bad_reason.clear();
  entry.error.clear();
  entry.removed = false;
  entry.preload_pending = model.policy.preload && (!entry.spec || entry.preload_pending);
  catalog_.changed();
  if (in_use(entry)) {
    entry.next = model;
    entry.spec->policy = model.policy;
    return;
  }
  catalog_.adopt(entry, model);
}

void Core::State::remove_model(ModelId model) {
  ModelEntry* entry = catalog_.find(model);
  if (entry == nullptr || entry->removed) return;
  entry->removed = true;
  entry->pinned = entry->preload_pending = false;
  catalog_.changed();
}

void Core::State::set_model_bad(ModelId model, std::string name, std::string reason) {
  ModelEntry& entry = catalog_.entry(model);
  entry.id = model;
  entry.name = std::move(name);
  entry.removed = false;
  catalog_.changed();
  entry.bad_reason = reason.empty() ? "its files cannot be used" : std::move(reason);
}

void Core::State::session_opened(const Session& session) {
  const bool fresh = sessions_.emplace(session.id, SessionEntry{session.uid, {}, {}}).second;
  require(fresh, "a session opens once");
}

void Core::State::session_closed(SessionId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const SessionEntry session = found->second;
  for (const RequestId request : session.waiting) {
    drop_waiter(request);
  }
  for (const LeaseId lease : session.leases) {
    if (mutated(Mutation::keep_leases_on_close)) continue;
    emit(LeaseEnded{lease, "its connection was closed"});
    tell_released(*leases_.find(lease), "its connection was closed");
    end_lease(lease);
  }
  for (auto& [resident_id, resident] : residency_.all()) {
    std::erase_if(resident.releases, [&](const Resident::Release& release) {
      if (release.session != id) return false;
      unloads_.erase(release.request);
      return true;
    });
    resident.had_other_users |= resident.users.erase(id) != 0;
  }
  prefetches_.close(id);
  close_yields(id);
  sessions_.erase(id);
}

void Core::State::acquire(const AcquireRequest& request) {
  const auto session = sessions_.find(request.session);
  require(session != sessions_.end(), "only an open session acquires");
  require(!request.models.empty() && request.models.size() <= 16, "a request has 1 to 16 models");
  if (draining_) return refuse(request.request, {.code = Refusal::Code::draining});
  if (auto refusal = impossible(request.models, false)) return refuse(request.request, *refusal);
  const std::uint32_t uid = session->second.uid;
  if (auto refusal = over_quota(request, uid)) return refuse(request.request, *refusal);
  Waiter waiter;
  waiter.request = request.request;
  waiter.session = request.session;
  waiter.uid = uid;
  waiter.models = request.models;
  waiter.context_tokens = request.context_tokens;
  waiter.only_if_ready = request.only_if_ready;
  waiter.wait_foreign = request.wait_foreign;
  waiter.since = waiter.queued_since = now_;
  waiter.wait = std::clamp(request.wait.value_or(config_.max_wait), Time{0}, config_.max_wait);
  if (request.only_if_ready) waiter.wait = Time{0};
  waiter.deadline = now_ + waiter.wait;
  refresh(waiter);
  session->second.waiting.insert(request.request);
  queue_.add(std::move(waiter));
  settle_fairness();
  if (!config_.max_queued_per_user) return;
  // What can be granted now does not count as queued.
  while (admit_and_grant()) continue;
  if (queue_.find(request.request) != nullptr &&
      queue_.count_of_user(uid) > *config_.max_queued_per_user) {
    drop_waiter(request.request);
    refuse(request.request,
           {.code = Refusal::Code::quota, .model = request.models.front(), .reason = "queued"});
  }
}

void Core::State::cancel(RequestId request) {
  if (const Yield* yield = yields_.waiting(request)) {
    refuse(request, {.code = Refusal::Code::interrupted});
    return end_yield(yield->id, "");
  }
  const Waiter* waiter = queue_.find(request);
  if (waiter == nullptr || waiter->lease) return;
  drop_waiter(request);
  refuse(request, {.code = Refusal::Code::interrupted});
}

void Core::State::release(RequestId request, SessionId session, LeaseId id, std::uint64_t epoch) {
  const Lease* lease = leases_.find(session, id, epoch);
  if (lease == nullptr) return refuse(request, {.code = Refusal::Code::lease_lost});
  releasing_ = PendingRelease{request, session, lease->model, lease->resident, lease->adapter};
  tell_released(*lease, {});
  end_lease(id);
}

void Core::State::use(RequestId request, SessionId session, LeaseId id, std::uint64_t epoch) {
  if (leases_.find(session, id, epoch) == nullptr) {
    return refuse(request, {.code = Refusal::Code::lease_lost});
  }
  Lease& lease = *leases_.find(id);
  if (lease.resident && (!over_hold(lease) || !contended(lease))) return answer_use(request, lease);
  const std::vector<ModelId> models{lease.model};
  if (auto refusal = impossible(models, true)) return refuse(request, *refusal);
  Waiter waiter;
  waiter.request = request;
  waiter.session = session;
  waiter.uid = lease.uid;
  waiter.models = models;
  waiter.lease = id;
  waiter.since = waiter.queued_since = now_;
  waiter.wait_foreign = true;
  refresh(waiter);
  sessions_.at(session).waiting.insert(request);
  queue_.add(std::move(waiter));
}

void Core::State::use_ended(RequestId request) {
  if (const Lease* lease = leases_.end_use(request, now_)) {
    for (const ResidentId id : {lease->resident, lease->adapter}) {
      if (Resident* resident = residency_.find(id)) resident->last_used = now_;
    }
    return;
  }
  Waiter* waiter = queue_.find(request);
  if (waiter != nullptr && waiter->lease) drop_waiter(request);
}

std::optional<ModelId> Core::State::leased_model(SessionId session, LeaseId lease,
                                                 std::uint64_t epoch) const {
  const Lease* found = leases_.find(session, lease, epoch);
  return found == nullptr ? std::nullopt : std::optional(found->model);
}

}  // namespace gpumodel::core

#include "world.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::test {

using namespace gpumodel::core;

namespace {

// How many later requests may go ahead of a queued one, as the contract says.
constexpr int kMaxOvertaken = 8;

}  // namespace

bool World::wants(const Request& request, WeightsId weights) const {
  return std::any_of(request.models.begin(), request.models.end(),
                     [&](ModelId model) { return models_.at(model).needs(weights); });
}

std::vector<WeightsId> World::parts_of(ModelId model) const {
  const ModelSpec& spec = models_.at(model).spec;
  std::vector<WeightsId> parts{spec.weights};
  if (spec.adapter) parts.push_back(spec.adapter->id);
  return parts;
}

bool World::wanted_ahead(WeightsId weights) const {
  return std::any_of(wishes_.begin(), wishes_.end(),
                     [&](const auto& session) {
                       return std::any_of(
                           session.second.begin(), session.second.end(), [&](const auto& wish) {
                             return wish.second > now_ && models_.at(wish.first).needs(weights);
                           });
                     }) ||
         std::any_of(models_.begin(), models_.end(), [&](const auto& model) {
           return model.second.preloaded && model.second.needs(weights);
         });
}

void World::check_loads_are_wanted() const {
  for (const auto& [id, resident] : residents_) {
    if (resident.state != Resident::State::loading || resident.cancelled) continue;
    if (wanted_ahead(resident.weights)) continue;
    const bool wanted = std::any_of(requests_.begin(), requests_.end(),
                                    [&, weights = resident.weights](const auto& request) {
                                      return wants(request.second, weights);
                                    });
    check(wanted, "a load that nobody wants is cancelled");
  }
}

bool World::undisturbed_memory() const {
  if (!yields_.empty()) return false;
  for (const auto& [id, request] : requests_) {
    if (request.kind == Request::Kind::yield) return false;
  }
  return std::none_of(engines_.begin(), engines_.end(), [](const auto& engine) {
    const Bytes reserve = engine.second.capacity - engine.second.budget;
    return engine.second.draining || engine.second.known_foreign > reserve;
  });
}

void World::check_no_adapter_is_left() const {
  const bool at_rest = std::all_of(engines_.begin(), engines_.end(), [](const auto& engine) {
    return engine.second.phase == Engine::Phase::running;
  });
  if (!at_rest || !undisturbed() || !requests_.empty()) return;
  for (const auto& [id, resident] : residents_)
    check(!is_stray(resident) || wanted_ahead(resident.weights),
          "an adapter leaves with its weights");
}

void World::check_progress_is_possible() const {
  if (!undisturbed()) return;
  for (const auto& [id, resident] : residents_) {
    if (!past_residency(resident, Doubt::waits) || pinned(resident)) return;
  }
  for (const auto& [id, engine] : engines_) {
    if (engine.backoff) return;
  }
  for (const auto& [id, lease] : leases_) {
    for (const auto& [resident_id, resident] : residents_) {
      // A suspended lease may have been bound again without a word.
      if (resident.weights == models_.at(lease.granted.model).spec.weights) return;
    }
  }
  check(requests_.empty(), "somebody waits although nothing is leased and no engine is at work");
}

bool World::pinned(const Resident& resident) const {
  if (is_stray(resident)) return false;
  return std::any_of(models_.begin(), models_.end(), [&](const auto& entry) {
    const Model& model = entry.second;
    return model.needs(resident.weights) && !model.removed &&
           (model.pinned || model.spec.policy.pinned);
  });
}

bool World::is_stray(const Resident& adapter) const {
  return adapter.is_adapter &&
         std::none_of(residents_.begin(), residents_.end(), [&](const auto& entry) {
           const Resident& resident = entry.second;
           if (resident.device != adapter.device || resident.state == Resident::State::unloading ||
               resident.cancelled)
             return false;
           return std::any_of(models_.begin(), models_.end(), [&](const auto& model) {
             return model.second.needs(adapter.weights) &&
                    model.second.spec.weights == resident.weights;
           });
         });
}

bool World::blocked(SessionId session) const {
  return std::any_of(requests_.begin(), requests_.end(), [&](const auto& request) {
    const bool queues =
        request.second.kind == Request::Kind::acquire || request.second.kind == Request::Kind::use;
    // One whose load was given up within this event is queued again without a word.
    return request.second.session == session && queues;
  });
}

bool World::past_residency(const Resident& resident, Doubt doubt) const {
  if (resident.is_adapter || now_ >= resident.ready_since + config_.min_residency) return true;
  return std::all_of(resident.users.begin(), resident.users.end(), [&](SessionId session) {
    return blocked(session) && !waits_for(session, resident.weights, doubt);
  });
}

bool World::waits_for(SessionId session, WeightsId weights, Doubt doubt) const {
  return std::any_of(requests_.begin(), requests_.end(), [&](const auto& request) {
    const bool queues =
        request.second.kind == Request::Kind::acquire || request.second.kind == Request::Kind::use;
    if (request.second.session != session || !queues) return false;
    const auto& models = request.second.models;
    return std::any_of(models.begin(), models.end(), [&](ModelId model) {
      const ModelSpec& spec = models_.at(model).spec;
      return spec.weights == weights && (!spec.adapter || doubt == Doubt::waits);
    });
  });
}

bool World::may_suspend(const Lease& lease) const {
  const bool used = std::any_of(uses_.begin(), uses_.end(),
                                [&](const auto& use) { return use.second == lease.granted.lease; });
  const auto& grace = models_.at(lease.granted.model).spec.policy.idle_grace;
  if (used || !grace) return false;
  const bool held_long = config_.max_hold && now_ >= lease.since + *config_.max_hold;
  return now_ >= lease.idle_since + *grace || blocked(lease.session) || held_long;
}

bool World::may_evict(ResidentId id) const {
  const Resident& resident = residents_.at(id);
  if (resident.state != Resident::State::ready) return false;
  if (pinned(resident) || !past_residency(resident, Doubt::waits)) return false;
  return std::all_of(leases_.begin(), leases_.end(), [&](const auto& lease) {
    // Only how long others waited tells whether a hold is over: at the most as long as it was held.
    return !lease.second.is_on(id) || (may_suspend(lease.second) && !config_.max_hold);
  });
}

Bytes World::need_at_most(WeightsId weights) const {
  Need most;
  for (const ModelRow& row : core_.snapshot(now_).models) {
    const ModelSpec& spec = models_.at(row.model).spec;
    if (spec.adapter && spec.adapter->id == weights) most.tensor_bytes = spec.adapter->bytes;
    if (spec.weights != weights) continue;
    most.tensor_bytes = std::max(most.tensor_bytes, spec.tensor_bytes);
    most.workspace_bytes = std::max(most.workspace_bytes, spec.workspace_bytes);
    most.kv_bytes = std::max(most.kv_bytes, spec.kv_bytes_per_token * spec.context_tokens);
  }
  const auto surplus = surplus_.find(weights);
  return most.total() + (surplus == surplus_.end() ? 0 : surplus->second);
}

// Where everything is at rest and one device serves all, whoever is first in the queue waits for
// nothing but what may not be taken from others yet.
void World::check_head_is_served() const {
  if (engines_.size() != 1 || !undisturbed()) return;
  const Engine& engine = engines_.begin()->second;
  if (engine.phase == Engine::Phase::failed || engine.backoff) return;
  const bool waits = std::any_of(requests_.begin(), requests_.end(), [](const auto& request) {
    return request.second.queued && (request.second.kind == Request::Kind::acquire ||
                                     request.second.kind == Request::Kind::use);
  });
  if (!waits) return;
  for (const QueueRow& row : core_.snapshot(now_).queue) {
    if (row.position != 1) continue;
    Bytes taken = 0;
    std::set<WeightsId> wanted;
    for (const ModelId model : row.models) {
      for (const WeightsId part : parts_of(model)) wanted.insert(part);
    }
    for (const auto& [id, resident] : residents_) {
      if (wanted.count(resident.weights) == 0 && !may_evict(id)) taken += resident.need.total();
    }
    // What did not come back comes with the end of the engine, when nothing else is on it.
    if (taken != 0) taken += engine.residual;
    for (const WeightsId weights : wanted) taken += need_at_most(weights);
    check(taken > engine.budget, "the first in the queue is served where it can be");
    return;
  }
}

void World::check_images() const {
  Bytes bytes = 0;
  for (const auto& [weights, image] : images_) {
    check(!image.torn, "an image that is not complete or wrong is dropped");
    bytes += image.bytes;
  }
  check(bytes <= config_.host_cache_bytes, "images stay within the host cache");
}

void World::check_yields() const {
  for (const YieldRow& row : core_.snapshot(now_).yields)
    check(yields_.count(row.id) != 0, "a yield ends with its time or its session");
}

// Between users it is their turns that count, and who waits for other programs holds nobody up.
bool World::behind(RequestId later, const Request& earlier) const {
  return earlier.queued && earlier.kind == Request::Kind::acquire && !earlier.wait_foreign &&
         sessions_.at(earlier.session) == uid_of_.at(later);
}

void World::check_order() {
  // With several devices later requests may have another one.
  if (engines_.size() != 1 || !undisturbed_memory()) return;
  std::map<WeightsId, bool> in_turn;
  for (const RequestId later : moved_on_) {
    for (auto& [id, earlier] : requests_) {
      if (id >= later) break;
      if (!behind(later, earlier)) continue;
      check(++earlier.overtaken <= kMaxOvertaken,
            "a queued request is overtaken a bounded number of times");
    }
  }
  // Somebody whose turn it was asked for each load; the others joined it.
  for (const auto& [weights, later] : started_) {
    bool late = false;
    bool used = false;
    for (const auto& [id, request] : requests_) {
      late |= id < later && behind(later, request);
      used |= request.kind == Request::Kind::use && wants(request, weights);
    }
    in_turn[weights] |= !late || used;
  }
  for (const auto& [weights, one] : in_turn)
    check(one, "no load starts for a request behind a queued one");
}

void World::remember_what_comes() {
  coming_.clear();
  for (const auto& [id, resident] : residents_) {
    // A load that is being cancelled may still be done.
    if (resident.state != Resident::State::unloading) coming_.insert(resident.weights);
  }
  for (const auto& [id, request] : requests_) {
    if (request.queued && request.kind == Request::Kind::acquire) continue;
    for (const ModelId model : request.models) {
      for (const WeightsId part : parts_of(model)) coming_.insert(part);
    }
  }
}

void World::check_books() {
  check_order();
  check_loads_are_wanted();
  check_progress_is_possible();
  check_no_adapter_is_left();
  check_images();
  remember_what_comes();
}

void World::end_administration() {
  read_at_once_ = true;
  for (auto& [id, engine] : engines_) engine.foreign = 0;
  for (const auto& [id, engine] : std::map(engines_)) drain_device(id, false);
  for (const auto& [id, yield] : std::map(yields_)) unyield(id);
  for (const auto& [id, model] : std::map(models_)) {
    if (model.pinned) pin(id, false);
    if (model.spec.policy.pinned || model.spec.policy.preload) {
      ModelSpec spec = model.spec;
      spec.policy.pinned = spec.policy.preload = false;
      set_model(spec);
    }
  }
}

void World::expect_clean_end() {
  end_administration();
  while (!sessions_.empty()) close(sessions_.begin()->first);
  settle();
  advance(std::chrono::hours(2));
  settle();
  // What is kept until it is needed gives way to a model as large as the device.
  const SessionId last = session(0);
  for (const auto& [id, engine] : std::map(engines_)) {
    if (engine.phase == Engine::Phase::failed) continue;
    ModelSpec whole;
    whole.id = ModelId{1'000'000 + id.value};
    whole.tensor_bytes = engine.budget;
    whole.context_tokens = 32;
    whole.devices = {id};
    const RequestId request = acquire(last, {model(whole)});
    settle();
    check(granted(request) != nullptr, "an idle device can be had as a whole");
    const RequestId back = release(lease_of(request));
    settle();
    check(released(back) != nullptr, "a whole device is given back");
    remove_model(whole.id);
  }
  close(last);
  advance(std::chrono::hours(2));
  settle();
  const Snapshot rest = core_.snapshot(now_);
  check(residents_.empty() && requests_.empty() && rest.leases.empty() && rest.queue.empty(),
        "nothing is left at the end");
  for (const DeviceRow& row : rest.devices)
    check(row.used_bytes == 0, "the ledger returns to zero");
  for (const auto& [id, engine] : engines_) {
    check(engine.phase == Engine::Phase::stopped || engine.phase == Engine::Phase::failed,
          "engines stop in the end");
  }
}

}  // namespace gpumodel::test

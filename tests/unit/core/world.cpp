#include "world.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::test {

using namespace gpumodel::core;

World::World(const CoreConfig& config) : core_(config), config_(config) {}

DeviceId World::device(Bytes capacity, Bytes reserve) {
  const DeviceId id{engines_.size() + 1};
  engines_[id].budget = capacity - reserve;
  engines_[id].capacity = capacity;
  feed(core_.add_device(now_,
                        DeviceSpec{id, "device" + std::to_string(id.value), capacity, reserve}));
  return id;
}

ModelId World::model(ModelSpec spec) {
  if (!spec.id) spec.id = ModelId{models_.size() + 1};
  if (!spec.weights) spec.weights = WeightsId{1000 + spec.id.value};
  if (spec.name.empty()) spec.name = "model" + std::to_string(spec.id.value);
  if (spec.devices.empty()) {
    for (const auto& [id, engine] : engines_) spec.devices.push_back(id);
  }
  models_[spec.id].spec = spec;
  models_[spec.id].preloaded |= spec.policy.preload;
  feed(core_.set_model(now_, spec));
  return spec.id;
}

SessionId World::session(std::uint32_t uid) {
  const SessionId id{++last_id_};
  sessions_[id] = uid;
  feed(core_.session_opened(now_, Session{id, uid}));
  return id;
}

RequestId World::acquire(SessionId session, std::vector<ModelId> models, Wish wish) {
  const RequestId id{++last_id_};
  Request request;
  request.session = session;
  request.models = models;
  const Time wait = wish.only_if_ready ? Time{0} : wish.wait.value_or(config_.max_wait);
  request.deadline = now_ + std::min(wait, config_.max_wait);
  request.wait_foreign = wish.wait_foreign;
  uid_of_[id] = sessions_.at(session);
  requests_[id] = request;
  feed(core_.acquire(now_,
                     AcquireRequest{id, session, std::move(models), wish.wait, wish.context_tokens,
                                    wish.only_if_ready, wish.wait_foreign}));
  return id;
}

RequestId World::open_request(Request::Kind kind, SessionId session) {
  const RequestId id{++last_id_};
  Request request;
  request.kind = kind;
  request.session = session;
  requests_[id] = request;
  return id;
}

void World::cancel(RequestId request) { feed(core_.cancel(now_, request)); }

RequestId World::release(LeaseId lease) {
  const Lease& known = leases_.at(lease);
  return release_as(known.session, lease, known.granted.epoch);
}

RequestId World::release_as(SessionId session, LeaseId lease, std::uint64_t epoch) {
  const RequestId id{++last_id_};
  requests_[id] = Request{Request::Kind::release, session, {}, lease, {}, true, 0, false};
  const auto found = leases_.find(lease);
  if (found != leases_.end() && found->second.session == session &&
      found->second.granted.epoch == epoch) {
    leases_.erase(found);
    std::erase_if(uses_, [&](const auto& use) { return use.second == lease; });
  }
  feed(core_.release(now_, id, session, lease, epoch));
  return id;
}

RequestId World::use(LeaseId lease) {
  const Lease& known = leases_.at(lease);
  const RequestId id{++last_id_};
  requests_[id] =
      Request{Request::Kind::use, known.session, {known.granted.model}, lease, {}, true, 0, true};
  feed(core_.use(now_, id, known.session, lease, known.granted.epoch));
  return id;
}

void World::use_ended(RequestId request) {
  requests_.erase(request);
  const auto use = uses_.find(request);
  if (use != uses_.end()) {
    leases_.at(use->second).idle_since = now_;
    uses_.erase(use);
  }
  feed(core_.use_ended(now_, request));
}

void World::close(SessionId session) {
  std::erase_if(requests_, [&](const auto& request) { return request.second.session == session; });
  std::erase_if(leases_, [&](const auto& lease) { return lease.second.session == session; });
  std::erase_if(uses_, [&](const auto& use) { return leases_.count(use.second) == 0; });
  std::erase_if(yields_, [&](const auto& yield) {
    return yield.second.wish.session == session && !yield.second.until;
  });
  wishes_.erase(session);
  sessions_.erase(session);
  feed(core_.session_closed(now_, session));
}

void World::take_job(std::size_t job, Job::Kind kind) {
  check(jobs_.at(job).kind == kind, "the test answers a job as what it is");
  jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(job));
}

void World::answer(std::size_t index) {
  const Job job = jobs_.at(index);
  take_job(index, job.kind);
  Engine& engine = engines_.at(job.device);
  switch (job.kind) {
    case Job::Kind::start:
      engine.phase = Engine::Phase::running;
      return feed(core_.engine_ready(now_, job.device));
    case Job::Kind::stop:
      engine.phase = Engine::Phase::stopped;
      engine.residual = 0;
      return feed(core_.engine_stopped(now_, job.device));
    case Job::Kind::load: {
      Resident& resident = residents_.at(job.resident);
      resident.state = Resident::State::ready;
      resident.cancelled = false;
      resident.ready_since = now_;
      if (resident.image == HostImage::fill) images_.at(resident.weights).complete = true;
      return feed(core_.load_done(now_, job.resident, resident.need, true));
    }
    case Job::Kind::unload: {
      const Bytes bytes = residents_.at(job.resident).need.total();
      unmap(residents_.at(job.resident));
      residents_.erase(job.resident);
      return feed(core_.unload_done(now_, job.resident, bytes, bytes, 0));
    }
    case Job::Kind::read:
      engine.reading = false;
      engine.fresh = true;
      engine.known_foreign = engine.foreign;
      return feed(core_.memory_read(now_, job.device, engine.foreign));
    case Job::Kind::fill:
      images_.at(job.weights).complete = true;
      --images_.at(job.weights).users;
      return feed(core_.image_filled(now_, job.weights));
  }
}

void World::fail_load(std::size_t index, bool model_is_bad) {
  const Job job = jobs_.at(index);
  take_job(index, Job::Kind::load);
  unmap(residents_.at(job.resident));
  residents_.erase(job.resident);
  feed(core_.load_failed(now_, job.resident, model_is_bad ? "torn file" : "out of memory",
                         model_is_bad));
}

void World::unload_with_residual(std::size_t index, Bytes residual) {
  const Job job = jobs_.at(index);
  take_job(index, Job::Kind::unload);
  const Bytes bytes = residents_.at(job.resident).need.total();
  unmap(residents_.at(job.resident));
  residents_.erase(job.resident);
  if (residual > config_.residual_threshold_bytes)
    engines_.at(job.device).residual += std::min(residual, bytes);
  feed(core_.unload_done(now_, job.resident, bytes, bytes - std::min(bytes, residual), residual));
}

void World::lose(DeviceId device, std::optional<Time> retry_after) {
  for (const Job& job : jobs_) {
    if (job.kind != Job::Kind::fill || job.device != device) continue;
    images_.at(job.weights).torn = true;
    --images_.at(job.weights).users;
  }
  std::erase_if(
      jobs_, [&](const Job& job) { return job.device == device && job.kind != Job::Kind::read; });
  for (auto& [id, resident] : residents_) {
    if (resident.device == device) unmap(resident);
  }
  std::erase_if(residents_, [&](const auto& resident) { return resident.second.device == device; });
  for (auto& [id, lease] : leases_) {
    if (lease.granted.device != device || !lease.bound) continue;
    lease.bound = false;
    lost_.insert(id);
  }
  Engine& engine = engines_.at(device);
  engine.phase = retry_after ? Engine::Phase::stopped : Engine::Phase::failed;
  engine.backoff = retry_after.has_value();
  engine.residual = 0;
  std::optional<Time> retry_at;
  if (retry_after) retry_at = now_ + *retry_after;
  feed(core_.engine_lost(now_, device, retry_at, "killed by signal 9"));
}

void World::progress(ResidentId resident, float fraction) {
  feed(core_.load_progress(now_, resident, fraction));
}

void World::late(ResidentId resident, DeviceId device, unsigned what) {
  const auto found = residents_.find(resident);
  const bool loading = found != residents_.end() && found->second.state == Resident::State::loading;
  const bool unloading =
      found != residents_.end() && found->second.state == Resident::State::unloading;
  const Engine::Phase phase = engines_.at(device).phase;
  switch (what % 8) {
    case 0:
      return loading ? void() : feed(core_.load_done(now_, resident, Need{1, 1, 1}, true));
    case 1:
      return loading ? void() : feed(core_.load_failed(now_, resident, "late", true));
    case 2:
      return unloading ? void() : feed(core_.unload_done(now_, resident, 1, 1, 0));
    case 3:
      return phase == Engine::Phase::starting ? void() : feed(core_.engine_ready(now_, device));
    case 4:
      return engines_.at(device).reading ? void() : feed(core_.memory_read(now_, device, 1));
    case 5:
      return feed(core_.image_filled(now_, WeightsId{9'999}));
    case 6:
      return feed(core_.image_failed(now_, WeightsId{9'999}, "late"));
    default:
      return phase == Engine::Phase::stopping ? void() : feed(core_.engine_stopped(now_, device));
  }
}

void World::settle() {
  for (int steps = 0; !jobs_.empty(); ++steps) {
    check(steps < 10'000, "engines come to rest");
    answer(0);
  }
}

void World::advance(Time by) {
  const Time until = now_ + by;
  for (int steps = 0; wake_ && *wake_ <= until; ++steps) {
    check(steps < 10'000, "wake-ups come to an end");
    now_ = std::max(now_, *wake_);
    wake_.reset();
    feed(core_.tick(now_));
  }
  now_ = until;
  const bool reading = std::any_of(engines_.begin(), engines_.end(),
                                   [](const auto& engine) { return engine.second.reading; });
  for (const auto& [id, request] : requests_) {
    const bool late = request.queued && request.deadline && *request.deadline < now_ && !reading;
    check(!late, "a queued request is refused when its wait is over");
  }
  std::erase_if(
      yields_, [&](const auto& yield) { return yield.second.until && *yield.second.until < now_; });
  check_yields();
  check_head_is_served();
}

void World::feed(Effects effects) {
  ++events_;
  moved_on_.clear();
  started_.clear();
  evicting_.reset();
  std::erase_if(yields_, [&](const auto& yield) {
    return yield.second.until && *yield.second.until <= now_;
  });
  last_ = effects;
  for (const Effect& effect : effects) carry_out(effect);
  check(lost_.empty(), "the leases of a lost engine are told that they are suspended");
  for (auto& [id, engine] : engines_) engine.fresh = false;
  core_.check_invariants();
  check_books();
  if (!read_at_once_) return;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    if (jobs_[i].kind != Job::Kind::read) continue;
    Effects before = std::move(effects);
    answer(i);
    last_.insert(last_.begin(), before.begin(), before.end());
    return;
  }
}

const Granted* World::granted(RequestId request) const {
  const auto found = answers_.find(request);
  return found == answers_.end() ? nullptr : std::get_if<Granted>(&found->second);
}

const Released* World::released(RequestId request) const {
  const auto found = answers_.find(request);
  return found == answers_.end() ? nullptr : std::get_if<Released>(&found->second);
}

const Refused* World::refused(RequestId request) const {
  const auto found = answers_.find(request);
  return found == answers_.end() ? nullptr : std::get_if<Refused>(&found->second);
}

const Usable* World::usable(RequestId request) const {
  const auto found = answers_.find(request);
  return found == answers_.end() ? nullptr : std::get_if<Usable>(&found->second);
}

const Prefetched* World::prefetched(RequestId request) const {
  const auto found = answers_.find(request);
  return found == answers_.end() ? nullptr : std::get_if<Prefetched>(&found->second);
}

const Yielded* World::yielded(RequestId request) const {
  const auto found = answers_.find(request);
  return found == answers_.end() ? nullptr : std::get_if<Yielded>(&found->second);
}

LeaseId World::lease_of(RequestId request, std::size_t which) const {
  const Granted* answer = granted(request);
  check(answer != nullptr, "the request was granted");
  return answer->leases.at(which).lease;
}

ModelRow World::row(ModelId model) const {
  for (const ModelRow& row : core_.snapshot(now_).models) {
    if (row.model == model) return row;
  }
  throw Violation("no such model in the snapshot");
}

Bytes World::used(DeviceId device) const {
  for (const DeviceRow& row : core_.snapshot(now_).devices) {
    if (row.device == device) return row.used_bytes;
  }
  throw Violation("no such device in the snapshot");
}

bool World::engine_running(DeviceId device) const {
  return engines_.at(device).phase == Engine::Phase::running;
}

bool World::engine_alive(DeviceId device) const {
  const Engine::Phase phase = engines_.at(device).phase;
  return phase != Engine::Phase::stopped && phase != Engine::Phase::failed;
}

}  // namespace gpumodel::test

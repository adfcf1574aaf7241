#include "world.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::test {

using namespace gpumodel::core;

namespace {

void check(bool holds, const std::string& rule) {
  if (!holds) throw Violation(rule);
}

// How many later requests may go ahead of a queued one, as the contract says.
constexpr int kMaxOvertaken = 8;

}  // namespace

World::World(const CoreConfig& config) : core_(config), config_(config) {}

DeviceId World::device(Bytes capacity, Bytes reserve) {
  const DeviceId id{engines_.size() + 1};
  engines_[id].budget = capacity - reserve;
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
  models_[spec.id] = Model{spec};
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
  requests_[id] = request;
  feed(core_.acquire(now_, AcquireRequest{id, session, std::move(models), wish.wait,
                                          wish.context_tokens, wish.only_if_ready}));
  return id;
}

void World::cancel(RequestId request) { feed(core_.cancel(now_, request)); }

RequestId World::release(LeaseId lease) {
  const Lease& known = leases_.at(lease);
  return release_as(known.session, lease, known.granted.epoch);
}

RequestId World::release_as(SessionId session, LeaseId lease, std::uint64_t epoch) {
  const RequestId id{++last_id_};
  requests_[id] = Request{Request::Kind::release, session, {}, lease, {}, true, 0};
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
      Request{Request::Kind::use, known.session, {known.granted.model}, lease, {}, true, 0};
  feed(core_.use(now_, id, known.session, lease, known.granted.epoch));
  return id;
}

void World::use_ended(RequestId request) {
  requests_.erase(request);
  uses_.erase(request);
  feed(core_.use_ended(now_, request));
}

void World::close(SessionId session) {
  std::erase_if(requests_, [&](const auto& request) { return request.second.session == session; });
  std::erase_if(leases_, [&](const auto& lease) { return lease.second.session == session; });
  std::erase_if(uses_, [&](const auto& use) { return leases_.count(use.second) == 0; });
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
      return feed(core_.engine_stopped(now_, job.device));
    case Job::Kind::load: {
      Resident& resident = residents_.at(job.resident);
      resident.state = Resident::State::ready;
      resident.cancelled = false;
      return feed(core_.load_done(now_, job.resident, resident.need, false));
    }
    case Job::Kind::unload: {
      const Bytes bytes = residents_.at(job.resident).need.total();
      residents_.erase(job.resident);
      return feed(core_.unload_done(now_, job.resident, bytes, bytes, 0));
    }
  }
}

void World::fail_load(std::size_t index, bool model_is_bad) {
  const Job job = jobs_.at(index);
  take_job(index, Job::Kind::load);
  residents_.erase(job.resident);
  feed(core_.load_failed(now_, job.resident, model_is_bad ? "torn file" : "out of memory",
                         model_is_bad));
}

void World::unload_with_residual(std::size_t index, Bytes residual) {
  const Job job = jobs_.at(index);
  take_job(index, Job::Kind::unload);
  const Bytes bytes = residents_.at(job.resident).need.total();
  residents_.erase(job.resident);
  feed(core_.unload_done(now_, job.resident, bytes, bytes - std::min(bytes, residual), residual));
}

void World::lose(DeviceId device, std::optional<Time> retry_after) {
  std::erase_if(jobs_, [&](const Job& job) { return job.device == device; });
  std::erase_if(residents_, [&](const auto& resident) { return resident.second.device == device; });
  for (auto& [id, lease] : leases_) {
    if (lease.granted.device == device) lease.bound = false;
  }
  Engine& engine = engines_.at(device);
  engine.phase = retry_after ? Engine::Phase::stopped : Engine::Phase::failed;
  engine.backoff = retry_after.has_value();
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
  switch (what % 5) {
    case 0:
      return loading ? void() : feed(core_.load_done(now_, resident, Need{1, 1, 1}, false));
    case 1:
      return loading ? void() : feed(core_.load_failed(now_, resident, "late", true));
    case 2:
      return unloading ? void() : feed(core_.unload_done(now_, resident, 1, 1, 0));
    case 3:
      return phase == Engine::Phase::starting ? void() : feed(core_.engine_ready(now_, device));
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
  for (const auto& [id, request] : requests_) {
    const bool late = request.queued && request.deadline && *request.deadline < now_;
    check(!late, "a queued request is refused when its wait is over");
  }
}

void World::feed(Effects effects) {
  ++events_;
  moved_on_.clear();
  started_fresh_.clear();
  last_ = std::move(effects);
  for (const Effect& effect : last_) carry_out(effect);
  core_.check_invariants();
  check_books();
}

void World::carry_out(const Effect& effect) {
  std::visit([this](const auto& one) { on(one); }, effect);
}

void World::on(const StartEngine& effect) {
  Engine& engine = engines_.at(effect.device);
  check(engine.phase == Engine::Phase::stopped, "only a stopped engine is started");
  engine.phase = Engine::Phase::starting;
  engine.backoff = false;
  jobs_.push_back(Job{Job::Kind::start, effect.device, {}});
}

void World::on(const StopEngine& effect) {
  Engine& engine = engines_.at(effect.device);
  check(engine.phase == Engine::Phase::running, "only a running engine is stopped");
  for (const auto& [id, resident] : residents_) {
    check(resident.device != effect.device, "an engine with residents is not stopped");
  }
  engine.phase = Engine::Phase::stopping;
  jobs_.push_back(Job{Job::Kind::stop, effect.device, {}});
}

void World::on(const Load& effect) {
  const Engine& engine = engines_.at(effect.device);
  check(engine.phase == Engine::Phase::running, "only a running engine loads");
  check(models_.at(effect.model).spec.weights == effect.weights,
        "a load names a model of its weights");
  Bytes bytes = effect.need.total();
  for (const auto& [id, resident] : residents_) {
    if (resident.device != effect.device) continue;
    check(resident.weights != effect.weights, "weights are on a device once");
    bytes += resident.need.total();
  }
  check(bytes <= engine.budget, "a load stays within the budget");
  const bool fresh =
      residents_
          .emplace(effect.resident, Resident{effect.device, effect.weights, effect.need,
                                             Resident::State::loading, false})
          .second;
  check(fresh, "a resident's id is never reused");
  jobs_.push_back(Job{Job::Kind::load, effect.device, effect.resident});
}

void World::on(const CancelLoad& effect) {
  Resident& resident = residents_.at(effect.resident);
  check(resident.state == Resident::State::loading && !resident.cancelled,
        "a load is cancelled once");
  resident.cancelled = true;
}

void World::on(const Unload& effect) {
  Resident& resident = residents_.at(effect.resident);
  check(resident.state == Resident::State::ready, "only what is ready is unloaded");
  for (const auto& [id, lease] : leases_) {
    check(!lease.bound || lease.granted.resident != effect.resident, "nothing leased is unloaded");
  }
  resident.state = Resident::State::unloading;
  jobs_.push_back(Job{Job::Kind::unload, effect.device, effect.resident});
}

void World::check_lease(const GrantedLease& lease) const {
  const auto resident = residents_.find(lease.resident);
  check(resident != residents_.end() && resident->second.state == Resident::State::ready,
        "a lease is granted on what is ready");
  check(resident->second.weights == models_.at(lease.model).spec.weights, "a lease has its model");
  check(resident->second.device == lease.device, "a lease has its device");
}

void World::answered(RequestId request) {
  check(requests_.erase(request) == 1, "a request is answered once, and only while it is open");
}

void World::moved_on(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end() || !found->second.queued) return;
  found->second.queued = false;
  if (found->second.kind != Request::Kind::acquire) return;
  moved_on_.push_back(id);
  const auto& models = found->second.models;
  const bool joins = std::all_of(models.begin(), models.end(), [&](ModelId model) {
    return coming_.count(models_.at(model).spec.weights) != 0;
  });
  if (!joins) started_fresh_.insert(id);
  for (const ModelId model : models) coming_.insert(models_.at(model).spec.weights);
}

void World::on(const Granted& effect) {
  const auto request = requests_.find(effect.request);
  check(request != requests_.end(), "a grant answers an open request");
  check(request->second.models.size() == effect.leases.size(),
        "a grant has a lease for each model");
  for (std::size_t i = 0; i < effect.leases.size(); ++i) {
    const GrantedLease& lease = effect.leases[i];
    check(lease.model == request->second.models[i], "leases stand in the order of the models");
    check_lease(lease);
    const bool fresh =
        leases_.emplace(lease.lease, Lease{request->second.session, lease, true}).second;
    check(fresh, "a lease's id is never reused");
  }
  moved_on(effect.request);
  answered(effect.request);
  answers_[effect.request] = effect;
}

void World::on(const Released& effect) {
  answered(effect.request);
  answers_[effect.request] = effect;
}

void World::on(const Usable& effect) {
  check_lease(effect.lease);
  Lease& lease = leases_.at(effect.lease.lease);
  lease.granted = effect.lease;
  lease.bound = true;
  uses_[effect.request] = effect.lease.lease;
  answered(effect.request);
  answers_[effect.request] = effect;
}

void World::on(const Refused& effect) {
  answered(effect.request);
  answers_[effect.request] = effect;
}

void World::on(const Progress& effect) {
  const auto found = requests_.find(effect.request);
  check(found != requests_.end(), "only an open request is told how it stands");
  check(effect.fraction >= 0 && effect.fraction <= 1, "a fraction is one");
  check((effect.phase == Progress::Phase::queued) == (effect.position > 0),
        "the queued have positions");
  if (effect.phase == Progress::Phase::loading) {
    moved_on(effect.request);
    found->second.deadline.reset();
  } else {
    found->second.queued = true;
  }
  told_.push_back(effect);
}

void World::on(const LeaseEnded& effect) {
  check(leases_.count(effect.lease) == 0, "only a closed session's leases end by themselves");
}

void World::on(const WakeAt& effect) { wake_ = effect.at; }

bool World::wants(const Request& request, WeightsId weights) const {
  return std::any_of(request.models.begin(), request.models.end(),
                     [&](ModelId model) { return models_.at(model).spec.weights == weights; });
}

void World::check_loads_are_wanted() const {
  for (const auto& [id, resident] : residents_) {
    if (resident.state != Resident::State::loading || resident.cancelled) continue;
    const bool wanted = std::any_of(requests_.begin(), requests_.end(),
                                    [&, weights = resident.weights](const auto& request) {
                                      return wants(request.second, weights);
                                    });
    check(wanted, "a load that nobody wants is cancelled");
  }
}

void World::check_progress_is_possible() const {
  if (!jobs_.empty()) return;
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

void World::check_order() {
  if (engines_.size() != 1) return;  // with several devices later requests may have another one
  for (const RequestId later : moved_on_) {
    for (auto& [id, earlier] : requests_) {
      if (id >= later) break;
      if (!earlier.queued || earlier.kind != Request::Kind::acquire) continue;
      check(++earlier.overtaken <= kMaxOvertaken,
            "a queued request is overtaken a bounded number of times");
      check(started_fresh_.count(later) == 0, "no load starts for a request behind a queued one");
    }
  }
}

void World::remember_what_comes() {
  coming_.clear();
  for (const auto& [id, resident] : residents_) {
    // A load that is being cancelled may still be done.
    if (resident.state != Resident::State::unloading) coming_.insert(resident.weights);
  }
  for (const auto& [id, request] : requests_) {
    if (request.queued && request.kind == Request::Kind::acquire) continue;
    for (const ModelId model : request.models) coming_.insert(models_.at(model).spec.weights);
  }
}

void World::check_books() {
  check_order();
  check_loads_are_wanted();
  check_progress_is_possible();
  remember_what_comes();
}

void World::expect_clean_end() {
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

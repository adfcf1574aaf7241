#include "world.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::test {

using namespace gpumodel::core;

void World::carry_out(const Effect& effect) {
  std::visit([this](const auto& one) { on(one); }, effect);
}

void World::on(const StartEngine& effect) {
  Engine& engine = engines_.at(effect.device);
  check(engine.phase == Engine::Phase::stopped, "only a stopped engine is started");
  engine.phase = Engine::Phase::starting;
  engine.backoff = false;
  jobs_.push_back(Job{Job::Kind::start, effect.device, {}, {}});
}

void World::on(const StopEngine& effect) {
  Engine& engine = engines_.at(effect.device);
  check(engine.phase == Engine::Phase::running, "only a running engine is stopped");
  for (const auto& [id, resident] : residents_) {
    check(resident.device != effect.device, "an engine with residents is not stopped");
  }
  engine.phase = Engine::Phase::stopping;
  jobs_.push_back(Job{Job::Kind::stop, effect.device, {}, {}});
}

void World::on(const Load& effect) {
  const Engine& engine = engines_.at(effect.device);
  check(engine.phase == Engine::Phase::running, "only a running engine loads");
  const ModelSpec& spec = models_.at(effect.model).spec;
  check(effect.is_adapter ? spec.adapter && spec.adapter->id == effect.weights
                          : spec.weights == effect.weights,
        "a load names a model of its weights");
  Bytes bytes = effect.need.total();
  for (const auto& [id, resident] : residents_) {
    if (resident.device != effect.device) continue;
    check(resident.weights != effect.weights, "weights are on a device once");
    bytes += resident.need.total();
  }
  check(bytes <= engine.budget, "a load stays within the budget");
  check(engine.fresh, "foreign memory is read before a load");
  check(!engine.draining, "nothing is loaded on a device that drains");
  check(bytes + engine.known_foreign <= engine.capacity, "a load leaves foreign memory alone");
  for (const auto& [id, yield] : yields_) {
    if (yield.wish.device == effect.device) bytes += yield.wish.bytes;
  }
  check(bytes <= engine.budget, "a load leaves yields alone");
  const bool leased = std::any_of(leases_.begin(), leases_.end(), [&](const auto& lease) {
    return lease.second.granted.model == effect.model;
  });
  check(leased || !models_.at(effect.model).removed, "a load names no model that is gone");
  Resident resident;
  resident.device = effect.device;
  resident.weights = effect.weights;
  resident.need = effect.need;
  resident.image = effect.image;
  resident.is_adapter = effect.is_adapter;
  check(residents_.emplace(effect.resident, resident).second, "a resident's id is never reused");
  jobs_.push_back(Job{Job::Kind::load, effect.device, effect.resident, {}});
  if (effect.image == HostImage::none) return;
  if (effect.image == HostImage::fill) {
    check(images_.count(effect.weights) == 0, "weights have one image");
    images_[effect.weights].bytes = effect.need.tensor_bytes;
  } else {
    check(images_.count(effect.weights) != 0 && images_.at(effect.weights).complete,
          "only a complete image is used");
  }
  ++images_.at(effect.weights).users;
}

void World::on(const FillImage& effect) {
  check(engines_.at(effect.device).phase == Engine::Phase::running, "a running engine fills");
  check(images_.count(effect.weights) == 0, "weights have one image");
  images_[effect.weights].bytes = effect.bytes;
  images_[effect.weights].users = 1;
  jobs_.push_back(Job{Job::Kind::fill, effect.device, {}, effect.weights});
}

void World::on(const CancelFill& effect) {
  check(images_.count(effect.weights) != 0, "only a fill is cancelled");
}

void World::on(const DropImage& effect) {
  const auto found = images_.find(effect.weights);
  check(found != images_.end(), "an image is dropped once");
  check(found->second.users == 0, "no image is dropped that is in use");
  images_.erase(found);
}

void World::on(const ReadMemory& effect) {
  Engine& engine = engines_.at(effect.device);
  check(!engine.reading, "one reading at a time");
  engine.reading = true;
  jobs_.push_back(Job{Job::Kind::read, effect.device, {}, {}});
}

void World::on(const Suspended& effect) {
  if (lost_.erase(effect.lease) != 0) return;
  Lease& lease = leases_.at(effect.lease);
  check(lease.bound, "a lease is suspended once");
  check(may_suspend(lease), "only an idle lease is suspended");
  lease.bound = false;
}

void World::on(const Resumed& effect) {
  Lease& lease = leases_.at(effect.lease);
  check(!lease.bound, "only a suspended lease is resumed");
  lease.bound = true;
  const ModelSpec& spec = models_.at(lease.granted.model).spec;
  const auto ready = [&](WeightsId weights, std::optional<DeviceId> device) {
    for (const auto& [id, resident] : residents_) {
      const bool here = !device || resident.device == *device;
      if (resident.weights == weights && here && resident.state == Resident::State::ready)
        return id;
    }
    return ResidentId{};
  };
  for (const auto& [id, engine] : engines_) {
    const ResidentId weights = ready(spec.weights, id);
    const ResidentId adapter = spec.adapter ? ready(spec.adapter->id, id) : ResidentId{};
    if (!weights || (spec.adapter && !adapter)) continue;
    lease.granted.resident = weights;
    lease.granted.adapter = adapter;
    lease.granted.device = id;
  }
  check_lease(lease.granted);
  residents_.at(lease.granted.resident).users.insert(lease.session);
}

void World::on(const Prefetched& effect) {
  answered(effect.request);
  answers_[effect.request] = effect;
}

void World::on(const Yielded& effect) {
  const Engine& engine = engines_.at(effect.device);
  yields_[effect.yield] = Yield{effect.yield, yield_wishes_.at(effect.request), effect.until};
  Bytes bytes = 0;
  for (const auto& [id, resident] : residents_) {
    if (resident.device == effect.device) bytes += resident.need.total();
  }
  for (const auto& [id, yield] : yields_) {
    if (yield.wish.device == effect.device) bytes += yield.wish.bytes;
  }
  check(bytes <= engine.budget, "a yield is answered when its bytes are free");
  answered(effect.request);
  answers_[effect.request] = effect;
}

void World::on(const Happened& effect) {
  const bool for_waiter = effect.reason == "made room for a waiting request";
  if (effect.type == Happened::Type::evicting && for_waiter) {
    for (const auto& [id, resident] : residents_) {
      if (resident.device == effect.device && resident.state == Resident::State::ready &&
          resident.need.total() == effect.bytes && models_.at(effect.model).needs(resident.weights))
        evicting_ = id;
    }
  }
  history_.push_back(effect);
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
    check(!lease.is_on(effect.resident), "nothing leased is unloaded");
  }
  check(!pinned(resident), "nothing pinned is unloaded");
  check(evicting_ != effect.resident || past_residency(resident, Doubt::does_not),
        "minimum residency protects from other users");
  resident.state = Resident::State::unloading;
  jobs_.push_back(Job{Job::Kind::unload, effect.device, effect.resident, {}});
}

void World::check_lease(const GrantedLease& lease) const {
  const auto resident = residents_.find(lease.resident);
  check(resident != residents_.end() && resident->second.state == Resident::State::ready,
        "a lease is granted on what is ready");
  check(resident->second.weights == models_.at(lease.model).spec.weights, "a lease has its model");
  check(resident->second.device == lease.device, "a lease has its device");
  const auto& wanted = models_.at(lease.model).spec.adapter;
  check(static_cast<bool>(lease.adapter) == wanted.has_value(), "a lease has its adapter");
  if (!wanted) return;
  const auto adapter = residents_.find(lease.adapter);
  check(adapter != residents_.end() && adapter->second.state == Resident::State::ready,
        "a lease is granted on an adapter that is ready");
  check(adapter->second.weights == wanted->id, "a lease has its model's adapter");
  check(adapter->second.device == lease.device, "an adapter is beside its weights");
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
  for (const ModelId model : found->second.models) {
    for (const WeightsId part : parts_of(model)) {
      if (coming_.count(part) == 0) started_.insert({part, id});
    }
  }
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
    check(!models_.at(lease.model).removed, "a removed model is not granted");
    const bool fresh =
        leases_.emplace(lease.lease, Lease{request->second.session, lease, true, now_, now_})
            .second;
    check(fresh, "a lease's id is never reused");
    residents_.at(lease.resident).users.insert(request->second.session);
    if (const auto wish = wishes_.find(request->second.session); wish != wishes_.end())
      wish->second.erase(lease.model);
  }
  if (config_.max_leases_per_user) {
    const std::uint32_t uid = sessions_.at(request->second.session);
    const auto theirs = std::count_if(leases_.begin(), leases_.end(), [&](const auto& lease) {
      return sessions_.at(lease.second.session) == uid;
    });
    check(theirs <= *config_.max_leases_per_user, "a user has no more leases than allowed");
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
  check(lease.bound, "a lease whose model is back is resumed before it is used");
  lease.granted = effect.lease;
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
  if (leases_.count(effect.lease) == 0) return;  // its session was closed
  check(revoked_.count(effect.lease) != 0 || forced_ == leases_.at(effect.lease).granted.model,
        "a lease ends by its release, its session or an administrator");
  leases_.erase(effect.lease);
  std::erase_if(uses_, [&](const auto& use) { return use.second == effect.lease; });
}

void World::on(const WakeAt& effect) { wake_ = effect.at; }

}  // namespace gpumodel::test

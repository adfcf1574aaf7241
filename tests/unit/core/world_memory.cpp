// What administrators, other programs and the host cache do to a World.
#include <algorithm>
#include <utility>

#include "world.hpp"

namespace gpumodel::test {

using namespace gpumodel::core;

RequestId World::prefetch(SessionId session, std::vector<ModelId> models) {
  const RequestId id = open_request(Request::Kind::other, session);
  for (const ModelId model : models) wishes_[session][model] = now_ + Time{10'000};
  feed(core_.prefetch(now_, id, session, models));
  return id;
}

RequestId World::unload(ModelId model, bool force) {
  const SessionId session = sessions_.begin()->first;
  const RequestId id = open_request(Request::Kind::release, session);
  if (force) forced_ = model;
  feed(core_.unload(now_, id, model, force, session));
  forced_.reset();
  return id;
}

void World::pin(ModelId model, bool on) {
  const auto found = models_.find(model);
  if (found != models_.end() && !found->second.removed) found->second.pinned = on;
  feed(core_.pin(now_, model, on));
}

RequestId World::yield(SessionId session, DeviceId device, Bytes bytes,
                       std::optional<Time> duration, std::optional<Time> wait) {
  const RequestId id = open_request(Request::Kind::yield, session);
  const YieldRequest wish{id, session, device, bytes, duration, wait};
  requests_.at(id).deadline = now_ + wait.value_or(config_.max_wait);
  yield_wishes_[id] = wish;
  feed(core_.yield(now_, wish));
  return id;
}

void World::unyield(YieldId yield) {
  yields_.erase(yield);
  feed(core_.unyield(now_, yield));
}

void World::revoke(LeaseId lease) {
  revoked_.insert(lease);
  feed(core_.revoke(now_, lease, "an administrator wants it"));
  revoked_.clear();
}

void World::drain_device(DeviceId device, bool on) {
  engines_.at(device).draining = on;
  feed(core_.drain_device(now_, device, on));
}

void World::remove_model(ModelId model) {
  const auto found = models_.find(model);
  if (found != models_.end()) {
    found->second.removed = true;
    found->second.pinned = false;
  }
  feed(core_.remove_model(now_, model));
}

void World::set_model(const ModelSpec& spec) {
  Model& model = models_[spec.id];
  model.removed = false;
  model.spec = spec;
  model.preloaded |= spec.policy.preload;
  feed(core_.set_model(now_, spec));
}

void World::set_model_bad(ModelId id) {
  const Model& model = models_.at(id);
  if (model.removed) return;  // its weights may be forgotten
  feed(core_.set_model_bad(now_, id, model.spec.name, "torn file"));
}

void World::fail_read(std::size_t index) {
  const Job job = jobs_.at(index);
  take_job(index, Job::Kind::read);
  engines_.at(job.device).reading = false;
  engines_.at(job.device).fresh = true;
  feed(core_.memory_read(now_, job.device, std::nullopt));
}

void World::set_config(const CoreConfig& config) {
  config_ = config;
  feed(core_.set_config(now_, config));
}

void World::host_pressure(Bytes bytes) { feed(core_.host_pressure(now_, bytes)); }

void World::lose_image(WeightsId weights) {
  const auto found = images_.find(weights);
  if (found != images_.end()) {
    found->second.torn = true;
    found->second.users = 0;
    for (auto& [id, resident] : residents_) {
      if (resident.weights == weights) resident.image = HostImage::none;
    }
  }
  feed(core_.image_lost(now_, weights));
}

void World::load_with(std::size_t index, Bytes surplus, bool image_complete) {
  const Job job = jobs_.at(index);
  take_job(index, Job::Kind::load);
  Resident& resident = residents_.at(job.resident);
  resident.state = Resident::State::ready;
  resident.cancelled = false;
  resident.ready_since = now_;
  resident.need.workspace_bytes += surplus;
  surplus_[resident.weights] = std::max(surplus_[resident.weights], surplus);
  if (resident.image == HostImage::fill) {
    if (image_complete)
      images_.at(resident.weights).complete = true;
    else
      unmap(resident);
  }
  const Need need = resident.need;
  feed(core_.load_done(now_, job.resident, need, image_complete));
}

void World::fail_fill(std::size_t index) {
  const Job job = jobs_.at(index);
  take_job(index, Job::Kind::fill);
  images_.at(job.weights).torn = true;
  --images_.at(job.weights).users;
  feed(core_.image_failed(now_, job.weights, "torn file"));
}

void World::unmap(Resident& resident) {
  const HostImage image = std::exchange(resident.image, HostImage::none);
  if (image == HostImage::none) return;
  Image& mapped = images_.at(resident.weights);
  --mapped.users;
  if (image == HostImage::fill && !mapped.complete) mapped.torn = true;
}

}  // namespace gpumodel::test

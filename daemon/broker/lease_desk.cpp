#include "broker/lease_desk.hpp"

#include <fmt/format.h>

#include <set>

#include "broker/refusals.hpp"

namespace gpumodel::broker {

using wire::Code;
using wire::Error;

LeaseDesk::LeaseDesk(const LimitsConfig& limits, Catalog& catalog, Conductor& conductor,
                     Inspector& inspector)
    : limits_(limits), catalog_(catalog), conductor_(conductor), inspector_(inspector) {}

std::vector<core::ModelId> LeaseDesk::models_of(const wire::AcquireParams& params,
                                                const Peer& peer) {
  if (params.models.empty() || params.models.size() > wire::kMaxModelsPerLease)
    throw Error(Code::invalid, fmt::format("models: from 1 to {} names", wire::kMaxModelsPerLease));
  std::vector<core::ModelId> models;
  for (const std::string& name : params.models) {
    const Model& model = catalog_.require(name, peer);
    if (conductor_.devices_named(model.config.devices).empty())
      throw Error(
          Code::device,
          fmt::format("model {} has no usable device; configure one, e.g. [devices.cpu], or see "
                      "the daemon's log for why it is missing",
                      name));
    models.push_back(model.id);
  }
  return models;
}

void LeaseDesk::acquire(core::RequestId request, const Peer& peer,
                        const wire::AcquireParams& params, Reply reply) {
  if (params.wait_foreign)
    throw Error(Code::unsupported,
                "wait_foreign is not served by this version; hello lists what is");
  if (params.wait_ms < -1)
    throw Error(Code::invalid, "wait_ms: -1 (the daemon's max_wait), 0 or more");
  if (limits_.leases == 0u)
    throw Error(Code::quota, "this daemon grants no leases: limits.leases is 0");
  Acquire acquire{reply, {}, params.progress, 0};
  acquire.request.request = request;
  acquire.request.session = reply.session();
  acquire.request.models = models_of(params, peer);
  acquire.request.context_tokens = params.context_tokens;
  acquire.request.only_if_ready = params.only_if_ready;
  if (params.wait_ms >= 0) acquire.request.wait = core::Time(params.wait_ms);
  if (limits_.queued == 0u) acquire.request.wait = core::Time(0);

  // What is not resident may have changed since it was read. A resident model takes the short way.
  std::set<core::ModelId> to_inspect;
  for (const core::ModelId id : acquire.request.models) {
    const Model& model = catalog_.at(id);
    if (model.error || !conductor_.is_resident(model.weights)) to_inspect.insert(id);
  }
  acquire.inspections = to_inspect.size();
  const core::AcquireRequest wanted = acquire.request;
  acquires_.emplace(request, std::move(acquire));
  if (to_inspect.empty())
    return conductor_.decide(
        [&](core::Core& core, core::Time now) { return core.acquire(now, wanted); });
  for (const core::ModelId id : to_inspect)
    inspector_.inspect(id, [this, request] { inspected(request); });
}

void LeaseDesk::inspected(core::RequestId request) {
  const auto found = acquires_.find(request);
  if (found == acquires_.end() || --found->second.inspections != 0) return;
  const core::AcquireRequest wanted = found->second.request;
  for (const core::ModelId id : wanted.models) {
    const auto& error = catalog_.at(id).error;
    if (!error || error->code == Code::model_bad) continue;  // the core knows of a bad model
    const Reply reply = found->second.reply;
    acquires_.erase(found);
    return reply.fail(*error);
  }
  conductor_.decide([&](core::Core& core, core::Time now) { return core.acquire(now, wanted); });
}

void LeaseDesk::release(core::RequestId request, const wire::ReleaseParams& params, Reply reply) {
  releases_.emplace(request, reply);
  conductor_.decide([&](core::Core& core, core::Time now) {
    return core.release(now, request, reply.session(), {params.lease}, params.epoch);
  });
}

bool LeaseDesk::cancel(core::RequestId request) {
  const auto found = acquires_.find(request);
  if (found == acquires_.end()) return false;
  if (found->second.inspections != 0) {
    const Reply reply = found->second.reply;
    acquires_.erase(found);
    core::Refusal refusal;
    refusal.code = core::Refusal::Code::interrupted;
    reply.fail(to_error(refusal, catalog_));
  } else {
    conductor_.decide([&](core::Core& core, core::Time now) { return core.cancel(now, request); });
  }
  return true;
}

void LeaseDesk::forget(core::RequestId request) {
  acquires_.erase(request);
  releases_.erase(request);
}

bool LeaseDesk::granted(const core::Granted& granted) {
  const auto found = acquires_.find(granted.request);
  if (found == acquires_.end()) return false;
  wire::AcquireResult result;
  for (const core::GrantedLease& lease : granted.leases)
    result.leases.push_back({lease.lease.value, lease.epoch, catalog_.at(lease.model).config.name,
                             lease.context_tokens});
  result.waited_ms = static_cast<std::uint64_t>(granted.waited.count());
  result.load_ms = static_cast<std::uint64_t>(granted.loaded.count());
  const Reply reply = found->second.reply;
  acquires_.erase(found);
  reply.ok(result);
  return true;
}

bool LeaseDesk::released(const core::Released& released) {
  const auto found = releases_.find(released.request);
  if (found == releases_.end()) return false;
  const Reply reply = found->second;
  releases_.erase(found);
  reply.ok(to_wire(released.report));
  return true;
}

bool LeaseDesk::refused(const core::Refused& refused) {
  std::optional<Reply> reply;
  if (const auto acquire = acquires_.find(refused.request); acquire != acquires_.end()) {
    reply = acquire->second.reply;
    acquires_.erase(acquire);
  } else if (const auto release = releases_.find(refused.request); release != releases_.end()) {
    reply = release->second;
    releases_.erase(release);
  }
  if (!reply) return false;
  reply->fail(to_error(refused.refusal, catalog_));
  return true;
}

void LeaseDesk::progress(const core::Progress& progress) {
  const auto found = acquires_.find(progress.request);
  if (found == acquires_.end() || !found->second.wants_progress) return;
  const Reply& reply = found->second.reply;
  wire::LeaseProgress message;
  message.request = reply.id();
  message.phase = progress.phase == core::Progress::Phase::loading ? "loading" : "queued";
  message.position = progress.position;
  message.fraction = progress.fraction;
  if (progress.eta) message.eta_ms = static_cast<std::uint64_t>(progress.eta->count());
  // A slow reader misses a step; the answer says how it ended.
  reply.notify(
      [&](std::string& out) { wire::append_notification(out, "lease.progress", message); });
}

}  // namespace gpumodel::broker

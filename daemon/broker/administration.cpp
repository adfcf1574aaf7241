#include "broker/administration.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "broker/refusals.hpp"

namespace gpumodel::broker {

using wire::Code;
using wire::Error;

Administration::Administration(Catalog& catalog, Conductor& conductor, Inspector& inspector,
                               Sessions& sessions, const DaemonClock& clock)
    : catalog_(catalog),
      conductor_(conductor),
      inspector_(inspector),
      sessions_(sessions),
      clock_(clock) {}

core::DeviceId Administration::device_named(const std::string& name) const {
  const auto found = conductor_.devices_named({name});
  if (!found.empty()) return found.front();
  std::vector<std::string> known;
  for (const auto& engine : conductor_.engines()) known.push_back(engine->device().name);
  throw Error(Code::invalid, fmt::format("device: there is none of that name; there are: {}",
                                         fmt::join(known, ", ")));
}

void Administration::unload(core::RequestId request, const Peer& peer,
                            const wire::UnloadModelParams& params, Reply reply) {
  const core::ModelId model = catalog_.require(params.model, peer).id;
  unloads_.emplace(request, Unload{reply, model});
  conductor_.decide([&](core::Core& core, core::Time now) {
    return core.unload(now, request, model, params.force, reply.session());
  });
}

void Administration::pin(const Peer& peer, const wire::PinParams& params, const Reply& reply) {
  const core::ModelId model = catalog_.require(params.model, peer).id;
  // The core has to have heard of it.
  inspector_.freshen({model}, [this, model, params, reply](const Error* error) {
    if (error != nullptr) return reply.fail(*error);
    conductor_.decide(
        [&](core::Core& core, core::Time now) { return core.pin(now, model, params.on); });
    reply.ok(wire::PinResult{params.model, params.on});
  });
}

void Administration::yield(core::RequestId request, const wire::YieldParams& params, Reply reply) {
  if (params.wait_ms < -1)
    throw Error(Code::invalid, "wait_ms: -1 (the daemon's max_wait), 0 or more");
  if (params.bytes == 0) throw Error(Code::invalid, "bytes: more than 0");
  core::YieldRequest wanted;
  wanted.request = request;
  wanted.session = reply.session();
  wanted.device = device_named(params.device);
  wanted.bytes = params.bytes;
  if (params.for_ms) {
    if (*params.for_ms == 0 || *params.for_ms > wire::kMaxYieldMs)
      throw Error(Code::invalid, fmt::format("for_ms: from 1 to {}", wire::kMaxYieldMs));
    wanted.duration = core::Time(*params.for_ms);
  }
  if (params.wait_ms >= 0) wanted.wait = core::Time(params.wait_ms);
  yields_.emplace(request, reply);
  conductor_.decide([&](core::Core& core, core::Time now) { return core.yield(now, wanted); });
}

void Administration::end_yield(const wire::YieldEndParams& params, const Reply& reply) {
  conductor_.decide(
      [&](core::Core& core, core::Time now) { return core.unyield(now, {params.yield}); });
  reply.ok(wire::Empty{});
}

void Administration::drain_device(const std::string& name, bool on, const Reply& reply) {
  const core::DeviceId device = device_named(name);
  conductor_.decide(
      [&](core::Core& core, core::Time now) { return core.drain_device(now, device, on); });
  reply.ok(wire::DrainResult{on});
}

void Administration::revoke(const wire::RevokeParams& params, const Reply& reply) {
  if (params.reason.size() > wire::kMaxReasonBytes)
    throw Error(Code::invalid, fmt::format("reason: at most {} bytes", wire::kMaxReasonBytes));
  const auto leases = conductor_.core().snapshot(conductor_.now()).leases;
  const auto row = std::find_if(leases.begin(), leases.end(), [&](const core::LeaseRow& lease) {
    return lease.lease.value == params.lease;
  });
  if (row == leases.end())
    throw Error(Code::lease_lost, "no such lease any more; status lists the leases that there are");
  const wire::LeaseHolder holder = holder_of(*row);
  conductor_.decide([&](core::Core& core, core::Time now) {
    return core.revoke(
        now, row->lease,
        params.reason.empty() ? std::string("revoked by an administrator") : params.reason);
  });
  reply.ok(wire::RevokeResult{params.lease, catalog_.at(row->model).config.name, holder.user,
                              holder.pid});
}

bool Administration::cancel(core::RequestId request) {
  if (!yields_.contains(request)) return false;
  conductor_.decide([&](core::Core& core, core::Time now) { return core.cancel(now, request); });
  return true;
}

void Administration::forget(core::RequestId request) {
  unloads_.erase(request);
  yields_.erase(request);
}

bool Administration::released(const core::Released& released) {
  const auto found = unloads_.extract(released.request);
  if (found.empty()) return false;
  found.mapped().reply.ok(to_wire(released.report));
  return true;
}

void Administration::yielded(const core::Yielded& yielded) {
  const auto found = yields_.extract(yielded.request);
  if (found.empty()) return;
  wire::YieldResult result;
  result.yield = yielded.yield.value;
  result.device = conductor_.engine(yielded.device).device().name;
  result.bytes = yielded.bytes;
  if (yielded.until) result.until_ms = clock_.unix_ms(*yielded.until);
  found.mapped().ok(result);
}

bool Administration::refused(const core::Refused& refused, const Error& error) {
  if (const auto unload = unloads_.extract(refused.request)) {
    const bool is_busy = refused.refusal.code == core::Refusal::Code::busy;
    unload.mapped().reply.fail(is_busy ? in_use(unload.mapped().model, refused.refusal.reason)
                                       : error);
    return true;
  }
  const auto yield = yields_.extract(refused.request);
  if (yield.empty()) return false;
  yield.mapped().fail(error);
  return true;
}

Error Administration::in_use(core::ModelId model, const std::string& how) const {
  wire::LeasedDetail detail;
  for (const core::LeaseRow& row : conductor_.core().snapshot(conductor_.now()).leases)
    if (catalog_.at(row.model).weights == catalog_.at(model).weights)
      detail.leases.push_back(holder_of(row));
  Error error(Code::busy, fmt::format("model {} is {}", catalog_.at(model).config.name, how));
  error.detail = wire::encode(detail);
  return error;
}

wire::LeaseHolder Administration::holder_of(const core::LeaseRow& row) const {
  wire::LeaseHolder holder;
  holder.lease = row.lease.value;
  if (const Session* session = sessions_.find(row.session)) {
    holder.user = sessions_.user_name(session->peer().uid);
    holder.pid = session->peer().pid;
    holder.app = session->app();
  }
  return holder;
}

}  // namespace gpumodel::broker

#include "broker/lease_desk.hpp"

#include <fmt/format.h>

#include "broker/refusals.hpp"
#include "wire/operator_messages.hpp"

namespace gpumodel::broker {

using wire::Code;
using wire::Error;

LeaseDesk::LeaseDesk(Catalog& catalog, Conductor& conductor, Inspector& inspector,
                     Sessions& sessions)
    : catalog_(catalog), conductor_(conductor), inspector_(inspector), sessions_(sessions) {}

void LeaseDesk::acquire(core::RequestId request, const Peer& peer,
                        const wire::AcquireParams& params, Reply reply) {
  if (params.wait_ms < -1)
    throw Error(Code::invalid, "wait_ms: -1 (the daemon's max_wait), 0 or more");
  Acquire acquire{reply, {}, params.progress, false};
  acquire.request.request = request;
  acquire.request.session = reply.session();
  acquire.request.models = catalog_.require_all(params.models, peer);
  acquire.request.context_tokens = params.context_tokens;
  acquire.request.only_if_ready = params.only_if_ready;
  acquire.request.wait_foreign = params.wait_foreign;
  if (params.wait_ms >= 0) acquire.request.wait = core::Time(params.wait_ms);
  conductor_.require_devices(acquire.request.models);
  const auto models = acquire.request.models;
  acquires_.emplace(request, std::move(acquire));
  inspector_.freshen(models, [this, request](const Error* error) { inspected(request, error); });
}

void LeaseDesk::inspected(core::RequestId request, const Error* error) {
  const auto found = acquires_.find(request);
  if (found == acquires_.end()) return;
  if (error != nullptr) {
    const Reply reply = found->second.reply;
    acquires_.erase(found);
    return reply.fail(*error);
  }
  found->second.decided = true;
  const core::AcquireRequest wanted = found->second.request;
  conductor_.decide([&](core::Core& core, core::Time now) { return core.acquire(now, wanted); });
}

void LeaseDesk::release(core::RequestId request, const wire::ReleaseParams& params, Reply reply) {
  if (conductor_.core().leased_model(reply.session(), {params.lease}, params.epoch))
    holders_.erase({params.lease});
  releases_.emplace(request, reply);
  conductor_.decide([&](core::Core& core, core::Time now) {
    return core.release(now, request, reply.session(), {params.lease}, params.epoch);
  });
}

bool LeaseDesk::cancel(core::RequestId request) {
  const auto found = acquires_.find(request);
  if (found == acquires_.end()) return false;
  if (!found->second.decided) {
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
  const core::SessionId session = found->second.reply.session();
  for (const core::GrantedLease& lease : granted.leases) {
    holders_[lease.lease] = session;
    result.leases.push_back({lease.lease.value, lease.epoch, catalog_.at(lease.model).config.name,
                             lease.context_tokens});
  }
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

bool LeaseDesk::refused(const core::Refused& refused, const Error& error) {
  std::optional<Reply> reply;
  if (const auto acquire = acquires_.find(refused.request); acquire != acquires_.end()) {
    reply = acquire->second.reply;
    acquires_.erase(acquire);
  } else if (const auto release = releases_.find(refused.request); release != releases_.end()) {
    reply = release->second;
    releases_.erase(release);
  }
  if (!reply) return false;
  reply->fail(error);
  return true;
}

template <class Params>
void LeaseDesk::tell_holder(core::LeaseId lease, std::string_view method, const Params& params) {
  const auto found = holders_.find(lease);
  if (found == holders_.end()) return;
  if (Session* session = sessions_.find(found->second))
    session->notify([&](std::string& out) { wire::append_notification(out, method, params); });
}

void LeaseDesk::suspended(core::LeaseId lease) {
  tell_holder(lease, "lease.suspended", wire::LeaseNotice{lease.value});
}

void LeaseDesk::resumed(core::LeaseId lease) {
  tell_holder(lease, "lease.resumed", wire::LeaseNotice{lease.value});
}

void LeaseDesk::ended(const core::LeaseEnded& ended) {
  tell_holder(ended.lease, "lease.lost", wire::LeaseLost{ended.lease.value, ended.reason});
  holders_.erase(ended.lease);
}

void LeaseDesk::session_closed(core::SessionId session) {
  std::erase_if(holders_, [&](const auto& entry) { return entry.second == session; });
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

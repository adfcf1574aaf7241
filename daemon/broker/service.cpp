#include "broker/service.hpp"

#include <utility>

#include "broker/log_messages.hpp"
#include "broker/refusals.hpp"

namespace gpumodel::broker {

using wire::Code;
using wire::Error;

Service::Service(const Config& config, const Log& log, Sessions& sessions, Catalog& catalog,
                 Conductor& conductor, MemoryReadings& readings, Metrics& counts, Desks desks)
    : config_(config),
      log_(log),
      sessions_(sessions),
      catalog_(catalog),
      conductor_(conductor),
      readings_(readings),
      counts_(counts),
      desks_(desks) {
  sessions_.serve(*this);
  conductor_.answer_to(*this);
}

void Service::drain_for_good() {
  stopping_ = true;
  set_draining(true);
}

void Service::set_draining(bool on) {
  const bool was_draining = std::exchange(draining_, on);
  conductor_.decide([&](core::Core& core, core::Time now) { return core.drain(now, on); });
  if (on && !was_draining) sessions_.notify_all("draining", wire::Empty{});
}

// ---- sessions

void Service::on_session_open(Session& session) {
  conductor_.decide([&](core::Core& core, core::Time now) {
    return core.session_opened(now, {session.id(), session.peer().uid});
  });
}

void Service::on_request(Session& session, core::RequestId request, const wire::Frame& frame) {
  const Method* method = find_method(frame.method);
  const Call call{session, request, frame.params,
                  Reply(sessions_, session.id(), frame.id, row_of(method))};
  if (method == nullptr)
    return call.reply.fail(Error(
        Code::unsupported, "this version serves no method of that name; hello lists its features"));
  if (!session.said_hello() && method->serve != &Service::hello) session.greet("");
  serve(*method, call);
}

void Service::require_permission(const Method& method, const Peer& peer) const {
  if (!method.for_admins || config_.daemon.admins.contains(peer.uid, peer.groups)) return;
  throw Error(Code::denied,
              "this is for administrators; ask one, or to be named in the configuration's admins");
}

// The one place where an exception becomes a response.
void Service::serve(const Method& method, const Call& call) {
  try {
    require_permission(method, call.session.peer());
    (this->*method.serve)(call);
  } catch (const Error& error) {
    call.reply.fail(error);
  } catch (const std::exception& error) {
    log_.error(messages::kRequestDefect,
               {{"METHOD", std::string(method.name)}, {"REASON", error.what()}});
    call.reply.fail(
        Error(Code::internal, "a defect in the daemon; please report it with the daemon's log"));
  }
}

void Service::on_notification(Session& session, const wire::Frame& frame) {
  if (frame.method != "cancel") return;
  try {
    const auto open = session.open_request(wire::decode<wire::CancelParams>(frame.params).request);
    if (!open || desks_.generations.cancel(*open) || desks_.leases.cancel(*open)) return;
    desks_.administration.cancel(*open);
  } catch (const Error&) {
    // A notification has no answer; a wrong one cancels nothing.
  }
}

void Service::on_session_close(Session& session) {
  for (const Session::OpenRequest& open : session.open_requests()) {
    desks_.generations.forget(open.request);
    desks_.leases.forget(open.request);
    desks_.prefetches.forget(open.request);
    desks_.administration.forget(open.request);
  }
  desks_.events.forget(session.id());
  desks_.leases.session_closed(session.id());
  conductor_.decide(
      [&](core::Core& core, core::Time now) { return core.session_closed(now, session.id()); });
}

// ---- decisions

void Service::granted(const core::Granted& granted) {
  counts_.granted(granted);
  desks_.leases.granted(granted);
}
void Service::usable(const core::Usable& usable) { desks_.generations.usable(usable); }
void Service::progress(const core::Progress& progress) { desks_.leases.progress(progress); }
void Service::prefetched(const core::Prefetched& prefetched) {
  desks_.prefetches.prefetched(prefetched);
}
void Service::yielded(const core::Yielded& yielded) { desks_.administration.yielded(yielded); }
void Service::suspended(core::LeaseId lease) { desks_.leases.suspended(lease); }
void Service::resumed(core::LeaseId lease) { desks_.leases.resumed(lease); }
void Service::happened(const core::Happened& happened) {
  counts_.happened(happened);
  desks_.events.add(happened);
}

void Service::lease_ended(const core::LeaseEnded& ended) {
  desks_.generations.cancel_all_of(ended.lease);
  desks_.leases.ended(ended);
}

void Service::released(const core::Released& released) {
  if (!desks_.leases.released(released)) desks_.administration.released(released);
}

void Service::refused(const core::Refused& refused) {
  std::vector<wire::ForeignHolder> holders;
  if (refused.refusal.code == core::Refusal::Code::foreign && refused.refusal.model)
    holders = readings_.holders(
        conductor_.devices_named(catalog_.at(refused.refusal.model).config.devices));
  const Error error = to_error(refused.refusal, catalog_, holders);
  if (desks_.leases.refused(refused, error) || desks_.prefetches.refused(refused, error) ||
      desks_.administration.refused(refused, error))
    return;
  desks_.generations.refused(refused, error);
}

void Service::refuse_while_draining() const {
  core::Refusal refusal;
  refusal.code = core::Refusal::Code::draining;
  if (draining_) throw to_error(refusal, catalog_);
}

}  // namespace gpumodel::broker

#include "broker/service.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "broker/near_names.hpp"
#include "broker/refusals.hpp"
#include "wire/version.hpp"

namespace gpumodel::broker {

using wire::Code;
using wire::Error;

Service::Service(const Config& config, const Log& log, Sessions& sessions, Catalog& catalog,
                 Conductor& conductor, LeaseDesk& leases, Generations& generations,
                 TextCalls& texts, StatusReport& report)
    : limits_(config.limits),
      max_wait_(config.daemon.max_wait),
      log_(log),
      sessions_(sessions),
      catalog_(catalog),
      conductor_(conductor),
      leases_(leases),
      generations_(generations),
      texts_(texts),
      report_(report) {
  sessions_.serve(*this);
  conductor_.answer_to(*this);
}

const Service::Method Service::kMethods[] = {
    {"hello", &Service::hello, true},
    {"models", &Service::models, true},
    {"status", &Service::status, true},
    {"lease.acquire", &Service::acquire, false},
    {"lease.release", &Service::release, false},
    {"generate", &Service::generate, false},
    {"tokenize", &Service::tokenize, true},
    {"detokenize", &Service::detokenize, true},
    {"render", &Service::render, true},
    {"call_json", &Service::call_json, false},
};

const Service::Method* Service::find_method(std::string_view name) {
  const auto* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [&](const Method& method) { return method.name == name; });
  return found != std::end(kMethods) ? found : nullptr;
}

void Service::drain() {
  draining_ = true;
  conductor_.decide([](core::Core& core, core::Time now) { return core.drain(now, true); });
}

// ---- sessions

void Service::on_session_open(Session& session) {
  conductor_.decide([&](core::Core& core, core::Time now) {
    return core.session_opened(now, {session.id(), session.peer().uid});
  });
}

void Service::on_request(Session& session, core::RequestId request, const wire::Frame& frame) {
  const Call call{session, request, frame.params, Reply(sessions_, session.id(), frame.id)};
  const Method* method = find_method(frame.method);
  if (method == nullptr)
    return call.reply.fail(Error(
        Code::unsupported, "this version serves no method of that name; hello lists its features"));
  if (!session.said_hello() && method->serve != &Service::hello) session.greet("");
  serve(*method, call);
}

// The one place where an exception becomes a response.
void Service::serve(const Method& method, const Call& call) {
  try {
    (this->*method.serve)(call);
  } catch (const Error& error) {
    call.reply.fail(error);
  } catch (const std::exception& error) {
    log_.error("a request failed by a defect",
               {{"METHOD", std::string(method.name)}, {"REASON", error.what()}});
    call.reply.fail(
        Error(Code::internal, "a defect in the daemon; please report it with the daemon's log"));
  }
}

void Service::on_notification(Session& session, const wire::Frame& frame) {
  if (frame.method != "cancel") return;
  try {
    const auto open = session.open_request(wire::decode<wire::CancelParams>(frame.params).request);
    if (open && !generations_.cancel(*open)) leases_.cancel(*open);
  } catch (const Error&) {
    // A notification has no answer; a wrong one cancels nothing.
  }
}

void Service::on_session_close(Session& session) {
  for (const Session::OpenRequest& open : session.open_requests()) {
    generations_.forget(open.request);
    leases_.forget(open.request);
  }
  conductor_.decide(
      [&](core::Core& core, core::Time now) { return core.session_closed(now, session.id()); });
}

// ---- decisions

void Service::granted(const core::Granted& granted) { leases_.granted(granted); }
void Service::released(const core::Released& released) { leases_.released(released); }
void Service::usable(const core::Usable& usable) { generations_.usable(usable); }
void Service::progress(const core::Progress& progress) { leases_.progress(progress); }
void Service::lease_ended(const core::LeaseEnded& ended) {
  generations_.cancel_all_of(ended.lease);
}

void Service::refused(const core::Refused& refused) {
  if (!leases_.refused(refused)) generations_.refused(refused, to_error(refused.refusal, catalog_));
}

// ---- methods

void Service::refuse_while_draining() const {
  core::Refusal refusal;
  refusal.code = core::Refusal::Code::draining;
  if (draining_) throw to_error(refusal, catalog_);
}

wire::HelloResult Service::greeting(const wire::HelloParams& params,
                                    core::SessionId session) const {
  if (params.protocol < 1)
    throw Error(Code::version,
                fmt::format("protocol: this daemon speaks version {} and older ones down to 1",
                            wire::kProtocolVersion));
  if (params.app.size() > wire::kMaxAppNameBytes)
    throw Error(Code::invalid, fmt::format("app: at most {} bytes", wire::kMaxAppNameBytes));
  wire::HelloResult result;
  result.protocol = std::min(params.protocol, wire::kProtocolVersion);
  result.daemon = {std::string(wire::build_version()), ::getpid()};
  result.limits = {wire::FrameLimits{}.message_bytes, limits_.in_flight, wire::kOutputLimitBytes,
                   limits_.connections};
  result.max_wait_ms = max_wait_.count();
  result.features = {"lease.progress",
                     "generate.logprobs",
                     "generate.top_logprobs",
                     "generate.penalties",
                     "generate.logit_bias",
                     "generate.deadline",
                     "call_json",
                     "render"};
  result.session = session.value;
  return result;
}

void Service::hello(const Call& call) {
  const auto params = wire::decode<wire::HelloParams>(call.params);
  if (call.session.said_hello())
    throw Error(
        Code::state,
        "hello is the first message of a connection, and comes once; open another connection");
  const auto result = greeting(params, call.session.id());
  std::string app = params.app;
  for (char& c : app)  // it is shown on others' terminals
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  call.session.greet(std::move(app));
  call.reply.ok(result);
}

void Service::models(const Call& call) { call.reply.ok(report_.models()); }

void Service::status(const Call& call) { call.reply.ok(report_.status(draining_)); }

void Service::acquire(const Call& call) {
  const auto params = wire::decode<wire::AcquireParams>(call.params);
  refuse_while_draining();
  leases_.acquire(call.request, call.session.peer(), params, call.reply);
}

void Service::release(const Call& call) {
  const auto params = wire::decode<wire::ReleaseParams>(call.params);
  if (conductor_.core().leased_model(call.session.id(), {params.lease}, params.epoch))
    generations_.cancel_all_of({params.lease});
  leases_.release(call.request, params, call.reply);
}

void Service::generate(const Call& call) {
  auto params = wire::decode<wire::GenerateParams>(call.params);
  refuse_while_draining();
  generations_.generate(call.request, call.session.peer().uid, std::move(params), call.reply);
}

void Service::tokenize(const Call& call) {
  texts_.tokenize(call.session.peer(), call.params, call.reply);
}
void Service::detokenize(const Call& call) {
  texts_.detokenize(call.session.peer(), call.params, call.reply);
}
void Service::render(const Call& call) {
  texts_.render(call.session.peer(), call.params, call.reply);
}

void Service::call_json(const Call& call) {
  const auto params = wire::decode<wire::CallJsonParams>(call.params);
  const Method* method = find_method(params.method);
  if (method == nullptr || !method->in_call_json)
    throw Error(Code::unsupported,
                "call_json serves hello, models, status, tokenize, detokenize and render only");
  const std::string bytes = json_to_msgpack(params.params.value_or("{}"));
  const msgpack::object_handle inner = msgpack::unpack(bytes.data(), bytes.size());
  const Reply reply = call.reply.as_json();
  // What hello would answer; the session stays as it is.
  if (method->serve == &Service::hello)
    return reply.ok(greeting(wire::decode<wire::HelloParams>(inner.get()), call.session.id()));
  serve(*method, {call.session, call.request, inner.get(), reply});
}

}  // namespace gpumodel::broker

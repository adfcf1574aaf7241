// The methods of PROTOCOL.md, one by one.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "broker/service.hpp"
#include "wire/version.hpp"

namespace gpumodel::broker {

using wire::Code;
using wire::Error;

const Service::Method Service::kMethods[] = {
    {"hello", &Service::hello},
    {"models", &Service::models},
    {"status", &Service::status},
    {"metrics", &Service::metrics},
    {"lease.acquire", &Service::acquire, false},
    {"lease.release", &Service::release, false},
    {"generate", &Service::generate, false},
    {"tokenize", &Service::tokenize},
    {"detokenize", &Service::detokenize},
    {"render", &Service::render},
    {"call_json", &Service::call_json, false},
    {"plan", &Service::plan},
    {"why", &Service::why},
    {"events", &Service::events},
    {"events.subscribe", &Service::subscribe, false},
    {"prefetch", &Service::prefetch},
    {"unload", &Service::unload, true, true},
    {"pin", &Service::pin, true, true},
    {"yield", &Service::yield, true, true},
    {"yield.end", &Service::end_yield, true, true},
    {"drain", &Service::drain, true, true},
    {"revoke", &Service::revoke, true, true},
};

const Service::Method* Service::find_method(std::string_view name) {
  const auto* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [&](const Method& method) { return method.name == name; });
  return found != std::end(kMethods) ? found : nullptr;
}

std::vector<std::string_view> Service::method_names() {
  std::vector<std::string_view> names;
  for (const Method& method : kMethods) names.push_back(method.name);
  return names;
}

std::size_t Service::row_of(const Method* method) {
  if (method == nullptr) return Metrics::kUnknown;
  return Metrics::kFirstMethod + static_cast<std::size_t>(method - std::begin(kMethods));
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
  result.limits = {wire::FrameLimits{}.message_bytes, config_.limits.in_flight,
                   wire::kOutputLimitBytes, config_.limits.connections};
  result.max_wait_ms = config_.daemon.max_wait.count();
  result.features = {"lease.progress",
                     "generate.logprobs",
                     "generate.top_logprobs",
                     "generate.penalties",
                     "generate.logit_bias",
                     "generate.deadline",
                     "generate.json_schema",
                     "generate.regex",
                     "generate.grammar",
                     "call_json",
                     "render",
                     "lease.wait_foreign",
                     "events",
                     "prefetch",
                     "plan",
                     "admin",
                     "metrics"};
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

void Service::models(const Call& call) { call.reply.ok(desks_.report.models()); }

void Service::status(const Call& call) { call.reply.ok(desks_.report.status(draining_)); }

void Service::metrics(const Call& call) {
  call.reply.ok(desks_.metrics.answer(wire::decode<wire::MetricsParams>(call.params), draining_));
}

void Service::acquire(const Call& call) {
  const auto params = wire::decode<wire::AcquireParams>(call.params);
  refuse_while_draining();
  desks_.leases.acquire(call.request, call.session.peer(), params, call.reply);
}

void Service::release(const Call& call) {
  const auto params = wire::decode<wire::ReleaseParams>(call.params);
  if (conductor_.core().leased_model(call.session.id(), {params.lease}, params.epoch))
    desks_.generations.cancel_all_of({params.lease});
  desks_.leases.release(call.request, params, call.reply);
}

void Service::generate(const Call& call) {
  auto params = wire::decode<wire::GenerateParams>(call.params);
  refuse_while_draining();
  desks_.generations.generate(call.request, call.session.peer().uid, std::move(params), call.reply);
}

void Service::tokenize(const Call& call) {
  desks_.texts.tokenize(call.session.peer(), call.params, call.reply);
}
void Service::detokenize(const Call& call) {
  desks_.texts.detokenize(call.session.peer(), call.params, call.reply);
}
void Service::render(const Call& call) {
  desks_.texts.render(call.session.peer(), call.params, call.reply);
}

void Service::plan(const Call& call) {
  call.reply.ok(
      desks_.explanations.plan(call.session.peer(), wire::decode<wire::PlanParams>(call.params)));
}

void Service::why(const Call& call) {
  call.reply.ok(
      desks_.explanations.why(call.session.peer(), wire::decode<wire::ModelParams>(call.params)));
}

void Service::events(const Call& call) {
  call.reply.ok(desks_.events.events(wire::decode<wire::EventsParams>(call.params)));
}

void Service::subscribe(const Call& call) {
  const auto params = wire::decode<wire::SubscribeParams>(call.params);
  call.reply.ok(wire::SubscribeResult{desks_.events.subscribe(call.session.id(), params.on)});
}

void Service::prefetch(const Call& call) {
  const auto params = wire::decode<wire::PrefetchParams>(call.params);
  refuse_while_draining();
  desks_.prefetches.prefetch(call.request, call.session.peer(), params, call.reply);
}

void Service::unload(const Call& call) {
  const auto params = wire::decode<wire::UnloadModelParams>(call.params);
  desks_.administration.unload(call.request, call.session.peer(), params, call.reply);
}

void Service::pin(const Call& call) {
  const auto params = wire::decode<wire::PinParams>(call.params);
  desks_.administration.pin(call.session.peer(), params, call.reply);
}

void Service::yield(const Call& call) {
  const auto params = wire::decode<wire::YieldParams>(call.params);
  desks_.administration.yield(call.request, params, call.reply);
}

void Service::end_yield(const Call& call) {
  desks_.administration.end_yield(wire::decode<wire::YieldEndParams>(call.params), call.reply);
}

void Service::drain(const Call& call) {
  const auto params = wire::decode<wire::DrainParams>(call.params);
  if (params.device)
    return desks_.administration.drain_device(*params.device, params.on, call.reply);
  if (stopping_ && !params.on)
    throw Error(Code::state, "the daemon is stopping and cannot go on; start it again");
  set_draining(params.on);
  call.reply.ok(wire::DrainResult{params.on});
}

void Service::revoke(const Call& call) {
  desks_.administration.revoke(wire::decode<wire::RevokeParams>(call.params), call.reply);
}

void Service::call_json(const Call& call) {
  const auto params = wire::decode<wire::CallJsonParams>(call.params);
  const Method* method = find_method(params.method);
  if (method == nullptr || !method->in_call_json)
    throw Error(Code::unsupported,
                "call_json serves no method of that name; PROTOCOL.md lists those that it does");
  const std::string bytes = json_to_msgpack(params.params.value_or("{}"));
  const msgpack::object_handle inner = msgpack::unpack(bytes.data(), bytes.size());
  const Reply reply = call.reply.as_json(row_of(method));
  // What hello would answer; the session stays as it is.
  if (method->serve == &Service::hello)
    return reply.ok(greeting(wire::decode<wire::HelloParams>(inner.get()), call.session.id()));
  serve(*method, {call.session, call.request, inner.get(), reply});
}

}  // namespace gpumodel::broker

#include "broker/text_calls.hpp"

namespace gpumodel::broker {

using wire::Code;
using wire::Error;

TextCalls::TextCalls(Catalog& catalog, Conductor& conductor, Probe& probe)
    : catalog_(catalog), conductor_(conductor), probe_(probe) {}

const Model& TextCalls::model_of(const wire::TextTarget& target, const Peer& peer,
                                 core::SessionId session) {
  if (target.lease.has_value() == target.model.has_value())
    throw Error(Code::invalid, "exactly one of lease and model must be given");
  if (target.model) return catalog_.require(*target.model, peer);
  const auto model =
      conductor_.core().leased_model(session, {*target.lease}, target.epoch.value_or(0));
  if (!model)
    throw Error(Code::lease_lost, "no such lease on this connection any more; acquire a new one");
  return catalog_.at(*model);
}

template <class Input>
void TextCalls::ask(std::string_view method, const Peer& peer, const msgpack::object& params,
                    const Reply& reply) {
  auto wanted = wire::decode<wire::TextParams<wire::TextTarget, Input>>(params);
  wire::TextParams<wire::FolderTarget, Input> asked;
  asked.target.path = model_of(wanted.target, peer, reply.session()).config.path;
  asked.input = std::move(wanted.input);
  probe_.request(method, asked, [reply](const EngineAnswer& answer) {
    if (answer.error) return reply.fail(*answer.error);
    wire::Raw result;
    wire::read(*answer.result, "result", result);
    reply.ok(result);
  });
}

void TextCalls::tokenize(const Peer& peer, const msgpack::object& params, const Reply& reply) {
  ask<wire::TokenizeInput>("tokenize", peer, params, reply);
}

void TextCalls::detokenize(const Peer& peer, const msgpack::object& params, const Reply& reply) {
  ask<wire::DetokenizeInput>("detokenize", peer, params, reply);
}

void TextCalls::render(const Peer& peer, const msgpack::object& params, const Reply& reply) {
  ask<wire::RenderInput>("render", peer, params, reply);
}

}  // namespace gpumodel::broker

// tokenize, detokenize and render: answered by the probe, without weights.
#pragma once

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/probe.hpp"
#include "broker/reply.hpp"

namespace gpumodel::broker {

class TextCalls {
 public:
  TextCalls(Catalog& catalog, Conductor& conductor, Probe& probe);

  // `params` is the public method's map; `method` has the same name at the probe. Throws
  // wire::Error for what is refused at once.
  void tokenize(const Peer& peer, const msgpack::object& params, const Reply& reply);
  void detokenize(const Peer& peer, const msgpack::object& params, const Reply& reply);
  void render(const Peer& peer, const msgpack::object& params, const Reply& reply);

 private:
  template <class Input>
  void ask(std::string_view method, const Peer& peer, const msgpack::object& params,
           const Reply& reply);
  const Model& model_of(const wire::TextTarget& target, const Peer& peer, core::SessionId session);

  Catalog& catalog_;
  Conductor& conductor_;
  Probe& probe_;
};

}  // namespace gpumodel::broker

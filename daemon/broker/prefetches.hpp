// prefetch: models that a client will want soon.
#pragma once

#include <unordered_map>

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/inspector.hpp"
#include "broker/reply.hpp"
#include "wire/operator_messages.hpp"

namespace gpumodel::broker {

class Prefetches {
 public:
  Prefetches(Catalog& catalog, Conductor& conductor, Inspector& inspector);

  // Throws wire::Error for what is refused at once.
  void prefetch(core::RequestId request, const Peer& peer, const wire::PrefetchParams& params,
                Reply reply);
  void forget(core::RequestId request) { waiting_.erase(request); }

  // ---- decisions; false where the request is not one of these
  void prefetched(const core::Prefetched& prefetched);
  bool refused(const core::Refused& refused, const wire::Error& error);

 private:
  Catalog& catalog_;
  Conductor& conductor_;
  Inspector& inspector_;
  std::unordered_map<core::RequestId, Reply> waiting_;
};

}  // namespace gpumodel::broker

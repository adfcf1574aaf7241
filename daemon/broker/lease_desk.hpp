// acquire and release: from a request to the core, and its decision back to the client.
#pragma once

#include <unordered_map>

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/inspector.hpp"
#include "broker/reply.hpp"

namespace gpumodel::broker {

class LeaseDesk {
 public:
  LeaseDesk(Catalog& catalog, Conductor& conductor, Inspector& inspector, Sessions& sessions);

  // Throws wire::Error for what is refused at once; otherwise the reply comes when the core has
  // decided.
  void acquire(core::RequestId request, const Peer& peer, const wire::AcquireParams& params,
               Reply reply);
  void release(core::RequestId request, const wire::ReleaseParams& params, Reply reply);
  // Whether a release still waits for its answer, which comes when its memory is measured free.
  bool owes_releases() const { return !releases_.empty(); }
  // Whether the request was a waiting acquire, which is now answered `interrupted`.
  bool cancel(core::RequestId request);
  // The request's client is gone; the core hears of it as its session's end.
  void forget(core::RequestId request);

  // ---- decisions; false where the request is not one of these
  bool granted(const core::Granted& granted);
  bool released(const core::Released& released);
  bool refused(const core::Refused& refused, const wire::Error& error);
  void progress(const core::Progress& progress);

  // ---- what becomes of leases: their holders are told
  void suspended(core::LeaseId lease);
  void resumed(core::LeaseId lease);
  void ended(const core::LeaseEnded& ended);
  void session_closed(core::SessionId session);

 private:
  struct Acquire {
    Reply reply;
    core::AcquireRequest request;
    bool wants_progress = false;
    bool decided = false;  // by the core; before, its models are inspected
  };

  void inspected(core::RequestId request, const wire::Error* error);
  template <class Params>
  void tell_holder(core::LeaseId lease, std::string_view method, const Params& params);

  Catalog& catalog_;
  Conductor& conductor_;
  Inspector& inspector_;
  Sessions& sessions_;
  std::unordered_map<core::LeaseId, core::SessionId> holders_;
  std::unordered_map<core::RequestId, Acquire> acquires_;
  std::unordered_map<core::RequestId, Reply> releases_;
};

}  // namespace gpumodel::broker

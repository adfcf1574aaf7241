// What administrators may do (PROTOCOL.md: unload, pin, yield, drain, revoke). Whether the caller
// is one has been checked.
#pragma once

#include <unordered_map>

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/inspector.hpp"
#include "broker/reply.hpp"
#include "wire/operator_messages.hpp"

namespace gpumodel::broker {

class Administration {
 public:
  Administration(Catalog& catalog, Conductor& conductor, Inspector& inspector, Sessions& sessions,
                 const DaemonClock& clock);

  // All throw wire::Error for what is refused at once; all but drain, revoke and
  // end_yield may be answered later.
  void unload(core::RequestId request, const Peer& peer, const wire::UnloadModelParams& params,
              Reply reply);
  void pin(const Peer& peer, const wire::PinParams& params, const Reply& reply);
  void yield(core::RequestId request, const wire::YieldParams& params, Reply reply);
  void end_yield(const wire::YieldEndParams& params, const Reply& reply);
  void drain_device(const std::string& name, bool on, const Reply& reply);
  void revoke(const wire::RevokeParams& params, const Reply& reply);

  // Whether the request was a waiting yield, which is now answered `interrupted`.
  bool cancel(core::RequestId request);
  void forget(core::RequestId request);

  // ---- decisions; false where the request is not one of these
  bool released(const core::Released& released);
  void yielded(const core::Yielded& yielded);
  bool refused(const core::Refused& refused, const wire::Error& error);

 private:
  core::DeviceId device_named(const std::string& name) const;
  // `busy`: how the model is in use, and the leases that are in the way.
  wire::Error in_use(core::ModelId model, const std::string& how) const;
  wire::LeaseHolder holder_of(const core::LeaseRow& row) const;

  Catalog& catalog_;
  Conductor& conductor_;
  Inspector& inspector_;
  Sessions& sessions_;
  const DaemonClock& clock_;
  struct Unload {
    Reply reply;
    core::ModelId model;
  };
  std::unordered_map<core::RequestId, Unload> unloads_;
  std::unordered_map<core::RequestId, Reply> yields_;
};

}  // namespace gpumodel::broker

// The methods of PROTOCOL.md: finds the one that a request names, and turns what it throws into an
// error.
#pragma once

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/generations.hpp"
#include "broker/lease_desk.hpp"
#include "broker/sessions.hpp"
#include "broker/status_report.hpp"
#include "broker/text_calls.hpp"

namespace gpumodel::broker {

class Service final : private Sessions::Handler, private Answers {
 public:
  Service(const Config& config, const Log& log, Sessions& sessions, Catalog& catalog,
          Conductor& conductor, LeaseDesk& leases, Generations& generations, TextCalls& texts,
          StatusReport& report);

  // From now on new work is refused; what runs goes on.
  void drain();
  bool draining() const { return draining_; }

 private:
  struct Call {
    Session& session;
    core::RequestId request;
    const msgpack::object& params;
    Reply reply;
  };
  struct Method {
    std::string_view name;
    void (Service::*serve)(const Call&);
    bool in_call_json;  // reachable through call_json
  };
  static const Method kMethods[];
  static const Method* find_method(std::string_view name);

  void on_session_open(Session& session) override;
  void on_request(Session& session, core::RequestId request, const wire::Frame& frame) override;
  void on_notification(Session& session, const wire::Frame& frame) override;
  void on_session_close(Session& session) override;

  void granted(const core::Granted& granted) override;
  void released(const core::Released& released) override;
  void usable(const core::Usable& usable) override;
  void refused(const core::Refused& refused) override;
  void progress(const core::Progress& progress) override;
  void lease_ended(const core::LeaseEnded& ended) override;

  void hello(const Call& call);
  void models(const Call& call);
  void status(const Call& call);
  void acquire(const Call& call);
  void release(const Call& call);
  void generate(const Call& call);
  void tokenize(const Call& call);
  void detokenize(const Call& call);
  void render(const Call& call);
  void call_json(const Call& call);

  wire::HelloResult greeting(const wire::HelloParams& params, core::SessionId session) const;
  void serve(const Method& method, const Call& call);
  void refuse_while_draining() const;

  LimitsConfig limits_;
  std::chrono::milliseconds max_wait_;
  const Log& log_;
  Sessions& sessions_;
  Catalog& catalog_;
  Conductor& conductor_;
  LeaseDesk& leases_;
  Generations& generations_;
  TextCalls& texts_;
  StatusReport& report_;
  bool draining_ = false;
};

}  // namespace gpumodel::broker

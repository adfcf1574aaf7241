// The methods of PROTOCOL.md: finds the one that a request names, and turns what it throws into an
// error.
#pragma once

#include "broker/administration.hpp"
#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/event_log.hpp"
#include "broker/explanations.hpp"
#include "broker/generations.hpp"
#include "broker/lease_desk.hpp"
#include "broker/memory_readings.hpp"
#include "broker/metrics_report.hpp"
#include "broker/prefetches.hpp"
#include "broker/sessions.hpp"
#include "broker/status_report.hpp"
#include "broker/text_calls.hpp"

namespace gpumodel::broker {

// Those that serve the methods; all outlive the service.
struct Desks {
  LeaseDesk& leases;
  Prefetches& prefetches;
  Generations& generations;
  TextCalls& texts;
  Administration& administration;
  Explanations& explanations;
  EventLog& events;
  StatusReport& report;
  MetricsReport& metrics;
};

class Service final : private Sessions::Handler, private Answers {
 public:
  // In the order of Metrics::methods().
  static std::vector<std::string_view> method_names();

  Service(const Config& config, const Log& log, Sessions& sessions, Catalog& catalog,
          Conductor& conductor, MemoryReadings& readings, Metrics& counts, Desks desks);

  // From now on new work is refused; what runs goes on. The daemon stops: nobody can switch it off
  // again.
  void drain_for_good();
  bool draining() const { return draining_; }
  // Whether a release still waits for its answer.
  bool owes_releases() const { return desks_.leases.owes_releases(); }

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
    bool in_call_json = true;  // reachable through call_json
    bool for_admins = false;
  };
  static const Method kMethods[];
  static const Method* find_method(std::string_view name);
  static std::size_t row_of(const Method* method);

  void on_session_open(Session& session) override;
  void on_request(Session& session, core::RequestId request, const wire::Frame& frame) override;
  void on_notification(Session& session, const wire::Frame& frame) override;
  void on_session_close(Session& session) override;

  void granted(const core::Granted& granted) override;
  void released(const core::Released& released) override;
  void usable(const core::Usable& usable) override;
  void refused(const core::Refused& refused) override;
  void progress(const core::Progress& progress) override;
  void prefetched(const core::Prefetched& prefetched) override;
  void yielded(const core::Yielded& yielded) override;
  void lease_ended(const core::LeaseEnded& ended) override;
  void suspended(core::LeaseId lease) override;
  void resumed(core::LeaseId lease) override;
  void happened(const core::Happened& happened) override;

  // ---- methods (service_methods.cpp)
  void hello(const Call& call);
  void models(const Call& call);
  void status(const Call& call);
  void metrics(const Call& call);
  void acquire(const Call& call);
  void release(const Call& call);
  void generate(const Call& call);
  void tokenize(const Call& call);
  void detokenize(const Call& call);
  void render(const Call& call);
  void plan(const Call& call);
  void why(const Call& call);
  void events(const Call& call);
  void subscribe(const Call& call);
  void prefetch(const Call& call);
  void unload(const Call& call);
  void pin(const Call& call);
  void yield(const Call& call);
  void end_yield(const Call& call);
  void drain(const Call& call);
  void revoke(const Call& call);
  void call_json(const Call& call);

  wire::HelloResult greeting(const wire::HelloParams& params, core::SessionId session) const;
  void serve(const Method& method, const Call& call);
  void require_permission(const Method& method, const Peer& peer) const;
  void refuse_while_draining() const;
  void set_draining(bool on);

  const Config& config_;
  const Log& log_;
  Sessions& sessions_;
  Catalog& catalog_;
  Conductor& conductor_;
  MemoryReadings& readings_;
  Metrics& counts_;
  Desks desks_;
  bool draining_ = false;
  bool stopping_ = false;
};

}  // namespace gpumodel::broker

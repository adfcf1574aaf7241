// What has happened, for people: the last events, the last decisions about each model, and who is
// told of new ones.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/sessions.hpp"
#include "wire/operator_messages.hpp"

namespace gpumodel::broker {

class EventLog {
 public:
  EventLog(const Catalog& catalog, Conductor& conductor, Sessions& sessions);

  // An event of the core.
  void add(const core::Happened& happened);
  // One of the daemon's own.
  void add(const std::string& type, const std::string& reason);

  // Throws wire::Error{invalid}.
  wire::EventsResult events(const wire::EventsParams& params) const;
  // About one model, newest last.
  std::vector<wire::Decision> decisions(core::ModelId model) const;

  // Each new event goes to the session from now on, or no more. The number of the next one.
  std::uint64_t subscribe(core::SessionId session, bool on);
  void forget(core::SessionId session) { subscribers_.erase(session); }

 private:
  void keep(wire::Event event, core::ModelId model);
  void tell(const wire::Event& event);

  const Catalog& catalog_;
  Conductor& conductor_;
  Sessions& sessions_;
  std::uint64_t next_seq_ = 1;
  std::deque<wire::Event> events_;  // oldest first
  std::unordered_map<core::ModelId, std::deque<wire::Decision>> decisions_;
  std::set<core::SessionId> subscribers_;
};

}  // namespace gpumodel::broker

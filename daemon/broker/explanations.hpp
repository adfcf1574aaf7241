// plan and why: what the daemon would do, and why it did what it did.
#pragma once

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/event_log.hpp"
#include "wire/operator_messages.hpp"

namespace gpumodel::broker {

class Explanations {
 public:
  Explanations(Catalog& catalog, Conductor& conductor, const EventLog& events);

  // Both throw wire::Error.
  wire::PlanResult plan(const Peer& peer, const wire::PlanParams& params) const;
  wire::WhyResult why(const Peer& peer, const wire::ModelParams& params) const;

 private:
  wire::PlanStep step(const core::PlanReport::Step& step) const;

  Catalog& catalog_;
  Conductor& conductor_;
  const EventLog& events_;
};

}  // namespace gpumodel::broker

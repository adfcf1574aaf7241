#include "broker/explanations.hpp"

#include "broker/refusals.hpp"
#include "broker/words.hpp"

namespace gpumodel::broker {
namespace {

std::optional<std::uint64_t> ms(const std::optional<core::Time>& time) {
  if (!time) return std::nullopt;
  return static_cast<std::uint64_t>(time->count());
}

}  // namespace

Explanations::Explanations(Catalog& catalog, Conductor& conductor, const EventLog& events)
    : catalog_(catalog), conductor_(conductor), events_(events) {}

wire::PlanResult Explanations::plan(const Peer& peer, const wire::PlanParams& params) const {
  const auto models = catalog_.require_all(params.models, peer);
  const core::PlanReport report = conductor_.core().plan(conductor_.now(), peer.uid, models);
  wire::PlanResult result;
  result.fits = report.fits;
  if (report.error) result.error = wire::code_name(to_error(*report.error, catalog_).code);
  result.missing_bytes = report.missing_bytes;
  for (const core::PlanReport::Step& each : report.steps) result.steps.push_back(step(each));
  result.total_ms = ms(report.total);
  return result;
}

wire::PlanStep Explanations::step(const core::PlanReport::Step& step) const {
  wire::PlanStep out;
  out.action = word(step.action);
  if (step.model) out.model = catalog_.at(step.model).config.name;
  if (step.device) out.device = conductor_.engine(*step.device).device().name;
  out.bytes = step.bytes;
  out.ms = ms(step.takes);
  return out;
}

wire::WhyResult Explanations::why(const Peer& peer, const wire::ModelParams& params) const {
  const Model& model = catalog_.require(params.model, peer);
  const core::WhyReport report = conductor_.core().why(conductor_.now(), model.id);
  wire::WhyResult result{model.config.name, word(report.state), report.reason,
                         events_.decisions(model.id)};
  // The core has not heard of a model whose folder could not be read.
  if (model.error && !model.facts) result.reason = model.error->message;
  return result;
}

}  // namespace gpumodel::broker

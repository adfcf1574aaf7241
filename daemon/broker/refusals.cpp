#include "broker/refusals.hpp"

#include <fmt/format.h>

#include "broker/quantities.hpp"
#include "broker/words.hpp"

namespace gpumodel::broker {
namespace {

using core::Refusal;
using wire::Code;
using wire::Error;

struct FitDetail {
  std::uint64_t missing_bytes = 0;
  std::uint64_t needed_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("missing_bytes", self.missing_bytes);
    visit("needed_bytes", self.needed_bytes);
    visit("capacity_bytes", self.capacity_bytes);
  }
};

Error never_fits(const Refusal& refusal, const std::string& model) {
  Error error(
      Code::never_fits,
      fmt::format(
          "{} needs {}, and its device has {} when empty: {} are missing; give the device more "
          "memory, or the model a smaller context_tokens or fewer companions in one lease",
          model, format_size(refusal.needed_bytes), format_size(refusal.capacity_bytes),
          format_size(refusal.missing_bytes)));
  error.detail =
      wire::encode(FitDetail{refusal.missing_bytes, refusal.needed_bytes, refusal.capacity_bytes});
  return error;
}

Error foreign(const Refusal& refusal, const std::string& model,
              const std::vector<wire::ForeignHolder>& holders) {
  std::vector<std::string> named;
  for (const wire::ForeignHolder& holder : holders)
    named.push_back(fmt::format("{} ({}, pid {}) {}", holder.command,
                                holder.user.value_or("unknown user"), holder.pid,
                                format_size(holder.bytes)));
  Error error(
      Code::foreign,
      fmt::format("{} needs {} more than other programs leave, which hold {}{}{}; end some "
                  "of them, or ask to wait for their memory",
                  model, format_size(refusal.missing_bytes), format_size(refusal.foreign_bytes),
                  named.empty() ? "" : ": ", fmt::join(named, ", ")));
  error.detail =
      wire::encode(wire::ForeignDetail{refusal.needed_bytes, refusal.missing_bytes,
                                       refusal.capacity_bytes, refusal.foreign_bytes, holders});
  return error;
}

Error residual(const Refusal& refusal, const std::string& model) {
  const core::ReleaseReport& report = refusal.report;
  Error error(
      Code::residual,
      fmt::format("{} was released and unloaded, but {} of {} did not come back; see the "
                  "daemon's log, and restart it if the device runs short",
                  model, format_size(report.residual_bytes), format_size(report.expected_bytes)));
  error.detail = wire::encode(to_wire(report));
  return error;
}

}  // namespace

Error to_error(const Refusal& refusal, const Catalog& catalog,
               const std::vector<wire::ForeignHolder>& holders) {
  const std::string model =
      refusal.model ? "model " + catalog.at(refusal.model).config.name : "the request";
  switch (refusal.code) {
    case Refusal::Code::no_model:
      return Error(Code::no_model, fmt::format("{} is not known yet; try again shortly", model));
    case Refusal::Code::model_bad:
      return Error(Code::model_bad,
                   fmt::format("{} cannot be used: {}; mend its folder and try again", model,
                               refusal.reason));
    case Refusal::Code::never_fits:
      return never_fits(refusal, model);
    case Refusal::Code::busy:
      return Error(
          Code::busy,
          fmt::format("{} was not granted within the time given; wait longer, or try again",
                      model));
    case Refusal::Code::lease_lost:
      return Error(Code::lease_lost,
                   "no such lease on this connection any more; acquire a new one");
    case Refusal::Code::device:
      return Error(Code::device,
                   fmt::format("{} has no usable device: {}; see the daemon's log", model,
                               refusal.reason.empty() ? "none is left" : refusal.reason));
    case Refusal::Code::quota:
      return Error(
          Code::quota,
          fmt::format(
              "this user has as many leases, waiting requests or bytes of devices as it may{}; "
              "release something first",
              refusal.reason.empty() ? "" : " (" + refusal.reason + ")"));
    case Refusal::Code::draining:
      return Error(Code::draining,
                   "the daemon is stopping and takes no new work; try again when it is back");
    case Refusal::Code::interrupted:
      return Error(Code::interrupted, "the request was cancelled");
    case Refusal::Code::residual:
      return residual(refusal, model);
    case Refusal::Code::foreign:
      return foreign(refusal, model, holders);
  }
  return Error(Code::internal, "a refusal without a reason; please report it");
}

wire::ReleaseResult to_wire(const core::ReleaseReport& report) {
  wire::ReleaseResult result;
  result.outcome = word(report.outcome);
  result.remaining_leases = report.remaining_leases;
  result.expected_bytes = report.expected_bytes;
  result.freed_bytes = report.freed_bytes;
  result.residual_bytes = report.residual_bytes;
  result.unload_ms = static_cast<std::uint64_t>(report.unload_time.count());
  return result;
}

}  // namespace gpumodel::broker

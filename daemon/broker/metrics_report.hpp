// All metrics by name: what was counted, and how things stand now. METRICS.md lists them.
#pragma once

#include "broker/exposition.hpp"
#include "broker/generations.hpp"
#include "broker/status_report.hpp"

namespace gpumodel::broker {

class MetricsReport {
 public:
  MetricsReport(const Metrics& metrics, const StatusReport& report, const Catalog& catalog,
                const Conductor& conductor, const Sessions& sessions,
                const Generations& generations, const DaemonClock& clock);

  // Always the same families in the same order; one that has nothing to tell has no rows.
  std::vector<wire::MetricFamily> families(bool draining) const;
  std::string text(bool draining) const { return exposition(families(draining)); }
  // Of `metrics`; throws wire::Error{invalid} for a format that it does not know.
  wire::MetricsResult answer(const wire::MetricsParams& params, bool draining) const;

 private:
  void add_daemon(Families& out, bool draining) const;
  void add_clients(Families& out) const;
  void add_devices(Families& out, const status::Status& status) const;
  void add_engines(Families& out, const status::Status& status) const;
  void add_memory(Families& out, const status::Status& status) const;
  void add_host_cache(Families& out, const status::Status& status) const;
  // ---- by model (metrics_model_report.cpp)
  void add_models(Families& out, const status::Status& status) const;
  void add_leases(Families& out, const status::Status& status) const;
  void add_generations(Families& out, const status::Status& status) const;
  void add_tokens(Families& out) const;
  void add_loads(Families& out) const;
  void add_unloads(Families& out) const;

  // One row a model.
  void count(Families& out, const char* name, const char* help,
             std::uint64_t ModelCounts::*counted) const;
  void time(Families& out, const char* name, const char* help,
            Histogram ModelCounts::*counted) const;
  // Calls `row(counts, name)` for each model that is configured or was counted.
  template <class Row>
  void for_each_model(Row row) const;

  const Metrics& metrics_;
  const StatusReport& report_;
  const Catalog& catalog_;
  const Conductor& conductor_;
  const Sessions& sessions_;
  const Generations& generations_;
  const DaemonClock& clock_;
};

// Every code that an error may have.
const std::vector<wire::Code>& all_codes();

}  // namespace gpumodel::broker

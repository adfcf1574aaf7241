// The metrics that have a model.
#include "broker/metrics_report.hpp"
#include "broker/words.hpp"

namespace gpumodel::broker {
namespace {

constexpr core::ModelState kModelStates[] = {
    core::ModelState::not_loaded, core::ModelState::loading,   core::ModelState::ready,
    core::ModelState::suspended,  core::ModelState::unloading, core::ModelState::unloaded,
    core::ModelState::failed};
constexpr core::LeaseRow::State kLeaseStates[] = {
    core::LeaseRow::State::held, core::LeaseRow::State::suspended, core::LeaseRow::State::resuming};

Labels of(const std::string& model) { return {{"model", model}}; }

}  // namespace

template <class Row>
void MetricsReport::for_each_model(Row row) const {
  const ModelCounts none;
  for (const Model& model : catalog_.all()) {
    const ModelCounts* counts = metrics_.find(model.id);
    if (model.removed && counts == nullptr) continue;
    row(counts != nullptr ? *counts : none, model.config.name);
  }
}

void MetricsReport::count(Families& out, const char* name, const char* help,
                          std::uint64_t ModelCounts::*counted) const {
  out.counter(name, help);
  for_each_model([&](const ModelCounts& counts, const std::string& model) {
    out.row(counts.*counted, of(model));
  });
}

void MetricsReport::time(Families& out, const char* name, const char* help,
                         Histogram ModelCounts::*counted) const {
  out.histogram(name, help);
  for_each_model([&](const ModelCounts& counts, const std::string& model) {
    out.row(counts.*counted, of(model));
  });
}

void MetricsReport::add_models(Families& out, const status::Status& status) const {
  out.gauge("gpumodel_model_state", "1 for the state that the model is in.");
  for (const status::Model& model : status.models)
    for (const core::ModelState state : kModelStates)
      out.row(model.state == word(state), {{"model", model.name}, {"state", word(state)}});
  out.gauge("gpumodel_model_pinned", "1 while the model's weights are not evicted.");
  for (const status::Model& model : status.models) out.row(model.pinned, of(model.name));
}

void MetricsReport::add_leases(Families& out, const status::Status& status) const {
  out.gauge("gpumodel_leases", "Leases by the state that they are in.");
  for (const status::Model& model : status.models)
    for (const core::LeaseRow::State state : kLeaseStates) {
      std::uint64_t count = 0;
      for (const status::Lease& lease : status.leases)
        count += lease.model == model.name && lease.state == word(state);
      out.row(count, {{"model", model.name}, {"state", word(state)}});
    }
  out.gauge("gpumodel_lease_waiters",
            "Requests that wait for the model: for a lease, or for a suspended one to come back.");
  for (const status::Model& model : status.models) out.row(model.waiting, of(model.name));
  count(out, "gpumodel_leases_granted_total", "Leases that were granted.", &ModelCounts::granted);
  count(out, "gpumodel_leases_ended_total",
        "Leases that ended: released, revoked, or with their connection.", &ModelCounts::ended);
  count(out, "gpumodel_lease_suspensions_total",
        "Idle leases whose model left the device, or was lost with its engine.",
        &ModelCounts::suspended);
  count(out, "gpumodel_lease_resumptions_total", "Suspended leases whose model came back.",
        &ModelCounts::resumed);
  time(out, "gpumodel_lease_wait_seconds",
       "How long granted leases had waited in the queue, loading not included.",
       &ModelCounts::lease_wait);
}

void MetricsReport::add_generations(Families& out, const status::Status& status) const {
  const auto standing = generations_.standing();
  const auto stands = [&](const status::Model& model) {
    for (const Model& known : catalog_.all())
      if (known.config.name == model.name)
        if (const auto found = standing.find(known.id); found != standing.end())
          return found->second;
    return Generations::Standing{};
  };
  out.gauge("gpumodel_generations_running", "Generations that an engine has.");
  for (const status::Model& model : status.models) out.row(stands(model).running, of(model.name));
  out.gauge("gpumodel_generations_waiting", "Generations whose model has to come back first.");
  for (const status::Model& model : status.models) out.row(stands(model).waiting, of(model.name));
  out.counter("gpumodel_generations_total", "Generations by how they ended, or by their error.");
  for_each_model([&](const ModelCounts& counts, const std::string& name) {
    for (std::size_t i = 0; i < kFinishes; ++i)
      out.row(counts.finished[i], {{"model", name}, {"outcome", word(static_cast<Finish>(i))}});
    for (const wire::Code code : all_codes())
      if (const auto count = counts.failed.of(code))
        out.row(count, {{"model", name}, {"outcome", std::string(wire::code_name(code))}});
  });
}

void MetricsReport::add_tokens(Families& out) const {
  count(out, "gpumodel_prompt_tokens_total",
        "Tokens of prompts, those from the prefix cache included.", &ModelCounts::prompt_tokens);
  count(out, "gpumodel_cached_prompt_tokens_total",
        "Tokens of prompts that the prefix cache had, and that were not computed again.",
        &ModelCounts::cached_tokens);
  count(out, "gpumodel_output_tokens_total", "Tokens that were generated.",
        &ModelCounts::output_tokens);
  time(out, "gpumodel_generation_queue_seconds",
       "From a generation's arrival until it is computed: waiting for its model and its turn.",
       &ModelCounts::queue);
  time(out, "gpumodel_time_to_first_token_seconds",
       "From a generation's arrival to its first token.", &ModelCounts::first_token);
  time(out, "gpumodel_time_per_output_token_seconds",
       "The mean time between a generation's tokens, the first one not counted.",
       &ModelCounts::per_token);
  time(out, "gpumodel_generation_seconds", "From a generation's arrival to its end.",
       &ModelCounts::whole);
}

void MetricsReport::add_loads(Families& out) const {
  out.histogram("gpumodel_load_seconds", "Loads of weights, by where they were read.");
  for_each_model([&](const ModelCounts& counts, const std::string& name) {
    out.row(counts.load_from_disk, {{"model", name}, {"source", "disk"}});
    out.row(counts.load_from_host, {{"model", name}, {"source", "host"}});
  });
  out.histogram("gpumodel_adapter_load_seconds", "Loads of models' adapters.");
  for_each_model([&](const ModelCounts& counts, const std::string& name) {
    if (counts.adapter_load.count() != 0) out.row(counts.adapter_load, of(name));
  });
  count(out, "gpumodel_loaded_bytes_total", "Bytes that loads put on devices, adapters included.",
        &ModelCounts::loaded_bytes);
  count(out, "gpumodel_load_failures_total", "Loads that failed.", &ModelCounts::failed_loads);
}

void MetricsReport::add_unloads(Families& out) const {
  count(out, "gpumodel_evictions_total", "Weights and adapters that had to make room for others.",
        &ModelCounts::evicted);
  time(out, "gpumodel_unload_seconds", "Unloads, until the memory was measured.",
       &ModelCounts::unload);
  count(out, "gpumodel_unload_freed_bytes_total", "Bytes that unloads were measured to give back.",
        &ModelCounts::freed_bytes);
  count(out, "gpumodel_unload_residual_bytes_total", "Bytes that unloads did not give back.",
        &ModelCounts::residual_bytes);
  count(out, "gpumodel_unload_residuals_total",
        "Unloads that left more behind than residual_threshold.", &ModelCounts::residuals);
}

}  // namespace gpumodel::broker

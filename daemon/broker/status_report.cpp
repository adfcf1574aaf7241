#include "broker/status_report.hpp"
#include "broker/words.hpp"
#include "wire/version.hpp"

#include <unistd.h>

#include <algorithm>

namespace gpumodel::broker {
namespace {

// The device as its user sees it: usable, coming, or gone.
const char* device_state(core::DeviceRow::State engine) {
  if (engine == core::DeviceRow::State::failed) return "failed";
  return engine == core::DeviceRow::State::starting ? "starting" : "ok";
}

std::uint64_t ms(core::Time time) { return static_cast<std::uint64_t>(time.count()); }

}  // namespace

StatusReport::StatusReport(const std::vector<DeviceConfig>& devices, const Catalog& catalog,
                           Conductor& conductor, const MemoryReadings& readings, Sessions& sessions,
                           const Generations& generations, const DaemonClock& clock)
    : devices_(devices),
      catalog_(catalog),
      conductor_(conductor),
      readings_(readings),
      sessions_(sessions),
      generations_(generations),
      clock_(clock) {}

status::Status StatusReport::status(bool draining) const {
  const core::Snapshot snapshot = conductor_.core().snapshot(conductor_.now());
  status::Status out;
  out.daemon.version = wire::build_version();
  out.daemon.protocol = wire::kProtocolVersion;
  out.daemon.pid = ::getpid();
  out.daemon.uptime_s = std::chrono::duration_cast<std::chrono::seconds>(conductor_.now()).count();
  out.daemon.draining = draining;
  for (const DeviceConfig& config : devices_) out.devices.push_back(device(config, snapshot));
  for (const core::WeightsRow& row : snapshot.weights) out.weights.push_back(weights(row));
  out.models = models(snapshot);
  for (const core::LeaseRow& row : snapshot.leases) out.leases.push_back(lease(row));
  for (const core::QueueRow& row : snapshot.queue) out.queue.push_back(waiter(row));
  out.host_cache = {snapshot.host_cache.capacity_bytes, snapshot.host_cache.used_bytes};
  for (const core::YieldRow& row : snapshot.yields) out.yields.push_back(yield(row));
  for (const Generations::Row& row : generations_.rows())
    if (auto shown = generation(row, snapshot)) out.generations.push_back(*std::move(shown));
  return out;
}

status::Models StatusReport::models() const {
  return {models(conductor_.core().snapshot(conductor_.now()))};
}

// A removed model is told of as long as it is leased.
std::vector<status::Model> StatusReport::models(const core::Snapshot& snapshot) const {
  std::vector<status::Model> out;
  for (const Model& known : catalog_.all()) {
    const auto row =
        std::find_if(snapshot.models.begin(), snapshot.models.end(),
                     [&](const core::ModelRow& candidate) { return candidate.model == known.id; });
    const bool has_row = row != snapshot.models.end();
    if (!known.removed || has_row) out.push_back(model(known, has_row ? &*row : nullptr));
  }
  return out;
}

status::Device StatusReport::device(const DeviceConfig& config,
                                    const core::Snapshot& snapshot) const {
  status::Device out;
  out.name = config.name;
  out.kind = config.kind;
  out.capacity_bytes = config.memory_bytes;
  out.reserve_bytes = config.reserve_bytes;
  const auto id = conductor_.devices_named({config.name});
  const auto row = std::find_if(snapshot.devices.begin(), snapshot.devices.end(),
                                [&](const core::DeviceRow& candidate) {
                                  return !id.empty() && candidate.device == id.front();
                                });
  if (row == snapshot.devices.end()) {  // configured, but not found on this machine
    out.state = out.engine.state = "failed";
    return out;
  }
  out.state = device_state(row->engine);
  if (readings_.has(id.front())) out.foreign_bytes = row->foreign_bytes;
  out.yielded_bytes = row->yielded_bytes;
  out.draining = row->draining;
  out.used_bytes = row->used_bytes;
  out.free_bytes = row->free_bytes;
  const Engine& engine = conductor_.engine(id.front());
  out.engine.state = word(row->engine);
  out.engine.restarts = row->restarts;
  if (const auto pid = engine.pid()) out.engine.pid = *pid;
  out.engine.resident_bytes = engine.resident_bytes();
  return out;
}

status::Weights StatusReport::weights(const core::WeightsRow& row) const {
  status::Weights out;
  out.id = row.weights.value;
  out.device = device_name(row.device);
  out.residency = word(row.residency);
  out.tensor_bytes = row.need.tensor_bytes;
  out.kv_bytes = row.need.kv_bytes;
  out.workspace_bytes = row.need.workspace_bytes;
  out.models = names(row.models);
  return out;
}

status::Model StatusReport::model(const Model& model, const core::ModelRow* row) const {
  status::Model out;
  out.name = model.config.name;
  if (model.facts) {
    out.dtype = model.facts->dtype;
    out.architecture = model.facts->architecture;
    out.parameters = model.facts->parameters;
  }
  if (row != nullptr) {
    out.state = word(row->state);
    out.device = device_name(row->device);
    out.context_tokens = row->context_tokens;
    out.device_bytes = row->device_bytes;
    out.adapter_bytes = row->adapter_bytes;
    out.pinned = row->pinned;
    out.leases = row->leases;
    out.waiting = row->waiting;
    out.since_ms = (conductor_.now() - row->since).count();
    if (row->load) out.load = status::Load{ms(row->load->took), row->load->bytes};
    if (row->unload)
      out.unload = status::Unload{ms(row->unload->took), row->unload->expected, row->unload->freed,
                                  row->unload->residual};
    if (!row->error.empty())
      out.error = wire::encode_error(wire::Error(wire::Code::model_bad, row->error));
  }
  if (model.error) out.error = wire::encode_error(*model.error);
  return out;
}

status::Lease StatusReport::lease(const core::LeaseRow& row) const {
  status::Lease out;
  out.id = row.lease.value;
  out.epoch = row.epoch;
  out.model = catalog_.at(row.model).config.name;
  out.state = word(row.state);
  out.age_ms = (conductor_.now() - row.since).count();
  if (row.idle_since) out.idle_ms = (conductor_.now() - *row.idle_since).count();
  out.output_tokens = generations_.output_tokens(row.lease);
  if (const Session* session = sessions_.find(row.session)) {
    out.uid = session->peer().uid;
    out.user = sessions_.user_name(out.uid);
    out.pid = session->peer().pid;
    out.app = session->app();
  }
  return out;
}

status::Waiter StatusReport::waiter(const core::QueueRow& row) const {
  status::Waiter out;
  out.position = row.position;
  out.models = names(row.models);
  out.waited_ms = (conductor_.now() - row.since).count();
  if (row.eta) out.eta_ms = row.eta->count();
  out.reason = row.reason;
  if (const Session* session = sessions_.find(row.session)) {
    out.uid = session->peer().uid;
    out.user = sessions_.user_name(out.uid);
    out.pid = session->peer().pid;
  }
  return out;
}

std::optional<status::Generation> StatusReport::generation(const Generations::Row& row,
                                                           const core::Snapshot& snapshot) const {
  const auto held =
      std::find_if(snapshot.leases.begin(), snapshot.leases.end(),
                   [&](const core::LeaseRow& candidate) { return candidate.lease == row.lease; });
  if (held == snapshot.leases.end()) return std::nullopt;
  const status::Lease whose = lease(*held);
  status::Generation out;
  out.lease = whose.id;
  out.model = whose.model;
  out.state = row.running ? "running" : "waiting";
  out.uid = whose.uid;
  out.user = whose.user;
  out.pid = whose.pid;
  out.age_ms = (conductor_.now() - row.arrived).count();
  if (row.progress.first_token)
    out.first_token_ms = (*row.progress.first_token - row.arrived).count();
  if (row.streamed) out.output_tokens = row.progress.output_tokens;
  return out;
}

status::Yield StatusReport::yield(const core::YieldRow& row) const {
  status::Yield out;
  out.id = row.id.value;
  out.device = conductor_.engine(row.device).device().name;
  out.bytes = row.bytes;
  if (row.until) out.until_ms = clock_.unix_ms(*row.until);
  if (const Session* session = sessions_.find(row.session)) {
    out.user = sessions_.user_name(session->peer().uid);
    out.pid = session->peer().pid;
  }
  return out;
}

std::optional<std::string> StatusReport::device_name(std::optional<core::DeviceId> device) const {
  if (!device || !*device) return std::nullopt;
  return conductor_.engine(*device).device().name;
}

std::vector<std::string> StatusReport::names(const std::vector<core::ModelId>& models) const {
  std::vector<std::string> out;
  for (const core::ModelId id : models) out.push_back(catalog_.at(id).config.name);
  return out;
}

}  // namespace gpumodel::broker

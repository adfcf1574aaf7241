#include "broker/status_report.hpp"
#include "wire/version.hpp"

#include <unistd.h>

#include <algorithm>

namespace gpumodel::broker {
namespace {

const char* word(core::ModelState state) {
  switch (state) {
    case core::ModelState::not_loaded:
      return "not_loaded";
    case core::ModelState::loading:
      return "loading";
    case core::ModelState::ready:
      return "ready";
    case core::ModelState::suspended:
      return "suspended";
    case core::ModelState::unloading:
      return "unloading";
    case core::ModelState::unloaded:
      return "unloaded";
    case core::ModelState::failed:
      return "failed";
  }
  return "failed";
}

const char* word(core::DeviceRow::State state) {
  switch (state) {
    case core::DeviceRow::State::stopped:
      return "stopped";
    case core::DeviceRow::State::starting:
      return "starting";
    case core::DeviceRow::State::running:
      return "running";
    case core::DeviceRow::State::backoff:
      return "backoff";
    case core::DeviceRow::State::failed:
      return "failed";
  }
  return "failed";
}

const char* word(core::LeaseRow::State state) {
  switch (state) {
    case core::LeaseRow::State::held:
      return "held";
    case core::LeaseRow::State::suspended:
      return "suspended";
    case core::LeaseRow::State::resuming:
      return "resuming";
  }
  return "held";
}

// The device as its user sees it: usable, coming, or gone.
const char* device_state(core::DeviceRow::State engine) {
  if (engine == core::DeviceRow::State::failed) return "failed";
  return engine == core::DeviceRow::State::starting ? "starting" : "ok";
}

std::uint64_t ms(core::Time time) { return static_cast<std::uint64_t>(time.count()); }

}  // namespace

StatusReport::StatusReport(const std::vector<DeviceConfig>& devices, const Catalog& catalog,
                           Conductor& conductor, Sessions& sessions)
    : devices_(devices), catalog_(catalog), conductor_(conductor), sessions_(sessions) {}

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
  for (const Model& known : catalog_.all()) out.models.push_back(model(known, snapshot));
  for (const core::LeaseRow& row : snapshot.leases) out.leases.push_back(lease(row));
  for (const core::QueueRow& row : snapshot.queue) out.queue.push_back(waiter(row));
  return out;
}

status::Models StatusReport::models() const {
  const core::Snapshot snapshot = conductor_.core().snapshot(conductor_.now());
  status::Models out;
  for (const Model& known : catalog_.all()) out.models.push_back(model(known, snapshot));
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
  out.residency = row.device ? "device" : "disk";
  out.tensor_bytes = row.need.tensor_bytes;
  out.kv_bytes = row.need.kv_bytes;
  out.workspace_bytes = row.need.workspace_bytes;
  out.models = names(row.models);
  return out;
}

status::Model StatusReport::model(const Model& model, const core::Snapshot& snapshot) const {
  status::Model out;
  out.name = model.config.name;
  if (model.facts) {
    out.dtype = model.facts->dtype;
    out.architecture = model.facts->architecture;
    out.parameters = model.facts->parameters;
  }
  const auto row =
      std::find_if(snapshot.models.begin(), snapshot.models.end(),
                   [&](const core::ModelRow& candidate) { return candidate.model == model.id; });
  if (row != snapshot.models.end()) {
    out.state = word(row->state);
    out.device = device_name(row->device);
    out.context_tokens = row->context_tokens;
    out.device_bytes = row->device_bytes;
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

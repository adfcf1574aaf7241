#include "broker/metrics_report.hpp"

#include <algorithm>

#include "wire/version.hpp"

namespace gpumodel::broker {
namespace {

const char* const kDeviceStates[] = {"ok", "starting", "failed"};

}  // namespace

const std::vector<wire::Code>& all_codes() {
  static const std::vector<wire::Code> kCodes = {
#define GPUMODEL_ERROR(name, constant, number, text) wire::Code::name,
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR
  };
  return kCodes;
}

MetricsReport::MetricsReport(const Metrics& metrics, const StatusReport& report,
                             const Catalog& catalog, const Conductor& conductor,
                             const Sessions& sessions, const Generations& generations,
                             const DaemonClock& clock)
    : metrics_(metrics),
      report_(report),
      catalog_(catalog),
      conductor_(conductor),
      sessions_(sessions),
      generations_(generations),
      clock_(clock) {}

std::vector<wire::MetricFamily> MetricsReport::families(bool draining) const {
  Families out;
  const status::Status status = report_.status(draining);
  add_daemon(out, draining);
  add_clients(out);
  add_models(out, status);
  add_leases(out, status);
  add_generations(out, status);
  add_tokens(out);
  add_loads(out);
  add_unloads(out);
  add_devices(out, status);
  add_engines(out, status);
  add_memory(out, status);
  add_host_cache(out, status);
  return out.take();
}

wire::MetricsResult MetricsReport::answer(const wire::MetricsParams& params, bool draining) const {
  wire::MetricsResult result;
  if (params.format == "text") {
    result.text = text(draining);
  } else if (params.format == "families") {
    result.families = families(draining);
  } else {
    throw wire::Error(wire::Code::invalid, "format: \"text\" or \"families\"");
  }
  return result;
}

void MetricsReport::add_daemon(Families& out, bool draining) const {
  out.gauge("gpumodel_build_info", "1; the version of the daemon stands in the labels.");
  out.row(1, {{"version", std::string(wire::build_version())},
              {"protocol", std::to_string(wire::kProtocolVersion)}});
  out.gauge("gpumodel_start_time_seconds", "When the daemon started, in seconds since 1970 (UTC).");
  out.row(static_cast<double>(clock_.unix_ms(core::Time{0})) / 1000);
  out.gauge("gpumodel_draining", "1 while the daemon takes no new work.");
  out.row(draining);
}

void MetricsReport::add_clients(Families& out) const {
  const ClientCounts& clients = metrics_.clients();
  out.gauge("gpumodel_connections_open", "Connections of clients.");
  out.row(sessions_.count());
  out.counter("gpumodel_connections_total",
              "Connections that came: accepted, or refused for a limit.");
  out.row(clients.accepted, {{"outcome", "accepted"}});
  out.row(clients.refused, {{"outcome", "refused"}});
  out.counter("gpumodel_protocol_errors_total",
              "What clients broke: the framing, an id used twice, or a limit on silence or "
              "unread output.");
  for (std::size_t i = 0; i < kBreaches; ++i)
    out.row(clients.breaches[i], {{"kind", word(static_cast<Breach>(i))}});
  out.counter("gpumodel_requests_total", "Requests that were answered, ok or with an error.");
  for (const MethodCounts& method : metrics_.methods()) {
    const std::string name(method.name);
    out.row(method.ok, {{"method", name}, {"outcome", "ok"}});
    for (const wire::Code code : all_codes())
      if (const auto count = method.failed.of(code))
        out.row(count, {{"method", name}, {"outcome", std::string(wire::code_name(code))}});
  }
  out.counter("gpumodel_requests_abandoned_total",
              "Requests whose connection ended before their answer.");
  out.row(clients.abandoned);
}

void MetricsReport::add_devices(Families& out, const status::Status& status) const {
  out.gauge("gpumodel_device_state", "1 for the state that the device is in.");
  for (const status::Device& device : status.devices)
    for (const char* state : kDeviceStates)
      out.row(device.state == state, {{"device", device.name}, {"state", state}});
  out.gauge("gpumodel_device_capacity_bytes", "The memory that the device has for everything.");
  for (const status::Device& device : status.devices)
    out.row(device.capacity_bytes, {{"device", device.name}});
  out.gauge("gpumodel_device_memory_bytes",
            "The device's memory by owner: models, foreign programs, what is yielded or reserved "
            "for them, and what is free.");
  for (const status::Device& device : status.devices) {
    const std::uint64_t foreign = device.foreign_bytes.value_or(0);
    const auto row = [&](const char* owner, std::uint64_t bytes) {
      out.row(bytes, {{"device", device.name}, {"owner", owner}});
    };
    row("models", device.used_bytes);
    row("foreign", foreign);
    row("yielded", device.yielded_bytes);
    row("reserve", device.reserve_bytes - std::min(device.reserve_bytes, foreign));
    row("free", device.free_bytes);
  }
}

void MetricsReport::add_engines(Families& out, const status::Status& status) const {
  // What was counted of a device; zeros where nothing was.
  const auto counts = [&](const status::Device& device) {
    const auto ids = conductor_.devices_named({device.name});
    const DeviceCounts* found = ids.empty() ? nullptr : metrics_.find(ids.front());
    return found != nullptr ? *found : DeviceCounts{};
  };
  out.gauge("gpumodel_engine_running", "1 while the device's engine runs.");
  for (const status::Device& device : status.devices)
    out.row(device.engine.state == "running", {{"device", device.name}});
  out.gauge("gpumodel_engine_resident_bytes",
            "The memory that the engine's process holds, as it last said.");
  for (const status::Device& device : status.devices)
    if (device.engine.resident_bytes)
      out.row(*device.engine.resident_bytes, {{"device", device.name}});
  out.counter("gpumodel_engine_starts_total", "Engines that started and were ready.");
  for (const status::Device& device : status.devices)
    out.row(counts(device).engine_starts, {{"device", device.name}});
  out.counter("gpumodel_engine_losses_total", "Engines that ended without being told to.");
  for (const status::Device& device : status.devices)
    out.row(counts(device).engine_losses, {{"device", device.name}});
  out.counter("gpumodel_engine_restarts_total", "Engines started again after a loss.");
  for (const status::Device& device : status.devices)
    out.row(device.engine.restarts, {{"device", device.name}});
}

void MetricsReport::add_memory(Families& out, const status::Status& status) const {
  out.gauge("gpumodel_weights_memory_bytes",
            "The device memory of weights by part; `models` are those that share them.");
  for (const status::Weights& weights : status.weights) {
    if (!weights.device) continue;
    std::string models;
    for (const std::string& name : weights.models) models += (models.empty() ? "" : ",") + name;
    const auto row = [&](const char* part, std::uint64_t bytes) {
      out.row(bytes, {{"device", *weights.device}, {"models", models}, {"part", part}});
    };
    row("tensors", weights.tensor_bytes);
    row("kv", weights.kv_bytes);
    row("workspace", weights.workspace_bytes);
  }
  out.gauge("gpumodel_adapter_memory_bytes", "The device memory of a model's adapter.");
  for (const status::Model& model : status.models)
    if (model.device && model.adapter_bytes != 0)
      out.row(model.adapter_bytes, {{"device", *model.device}, {"model", model.name}});
}

void MetricsReport::add_host_cache(Families& out, const status::Status& status) const {
  out.gauge("gpumodel_host_cache_capacity_bytes", "What the host cache may hold.");
  out.row(status.host_cache.capacity_bytes);
  out.gauge("gpumodel_host_cache_used_bytes", "What the host cache holds.");
  out.row(status.host_cache.used_bytes);
  out.counter("gpumodel_host_cache_fills_total", "Images that were completed in the host cache.");
  out.row(metrics_.filled_images());
  out.counter("gpumodel_host_cache_drops_total", "Images that left the host cache.");
  out.row(metrics_.dropped_images());
}

}  // namespace gpumodel::broker

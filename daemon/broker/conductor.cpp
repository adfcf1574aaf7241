#include "broker/conductor.hpp"

#include <algorithm>
#include <variant>

#include "broker/quantities.hpp"

namespace gpumodel::broker {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

std::string number(auto value) { return std::to_string(value); }

}  // namespace

Conductor::Conductor(asio::io_context& io, const DaemonClock& clock, const Log& log,
                     const core::CoreConfig& config, Catalog& catalog, std::string engine_program)
    : io_(io),
      clock_(clock),
      log_(log),
      catalog_(catalog),
      engine_program_(std::move(engine_program)),
      core_(config),
      wake_(io) {}

void Conductor::add_device(const DeviceConfig& device) {
  const core::DeviceId id{engines_.size() + 1};
  engines_.push_back(
      std::make_unique<Engine>(io_, clock_, log_, engine_program_,
                               Engine::Device{id, device.name, device.kind, device.memory_bytes},
                               static_cast<EngineEvents&>(*this)));
  decide([&](core::Core& core, core::Time now) {
    return core.add_device(now, {id, device.name, device.memory_bytes, device.reserve_bytes});
  });
}

std::vector<core::DeviceId> Conductor::devices_named(const std::vector<std::string>& names) const {
  std::vector<core::DeviceId> ids;
  for (const std::string& name : names)
    for (const auto& engine : engines_)
      if (engine->device().name == name) ids.push_back(engine->device().id);
  return ids;
}

bool Conductor::is_resident(core::WeightsId weights) const {
  return weights && std::any_of(residents_.begin(), residents_.end(),
                                [&](const auto& entry) { return entry.second.weights == weights; });
}

void Conductor::stop_engines() {
  for (const auto& engine : engines_)
    if (engine->pid()) engine->stop();
}

bool Conductor::engines_run() const {
  return std::any_of(engines_.begin(), engines_.end(),
                     [](const auto& engine) { return engine->pid().has_value(); });
}

void Conductor::carry_out(core::Effects effects) {
  for (core::Effect& effect : effects) to_do_.push_back(std::move(effect));
  if (carrying_out_) return;
  carrying_out_ = true;
  while (!to_do_.empty()) {
    const core::Effect effect = std::move(to_do_.front());
    to_do_.pop_front();
    carry_out_one(effect);
  }
  carrying_out_ = false;
}

void Conductor::carry_out_one(const core::Effect& effect) {
  std::visit(Overloaded{
                 [&](const core::StartEngine& start) { engine(start.device).start(); },
                 [&](const core::StopEngine& stop) { engine(stop.device).stop(); },
                 [&](const core::Load& wanted) { load(wanted); },
                 [&](const core::CancelLoad& cancel) {
                   engine(cancel.device).cancel_load(cancel.resident);
                 },
                 [&](const core::Unload& unload) {
                   residents_.erase(unload.resident);
                   engine(unload.device).unload(unload.resident);
                 },
                 [&](const core::Granted& granted) { answers_->granted(granted); },
                 [&](const core::Released& released) { answers_->released(released); },
                 [&](const core::Usable& usable) { answers_->usable(usable); },
                 [&](const core::Refused& refused) { answers_->refused(refused); },
                 [&](const core::Progress& progress) { answers_->progress(progress); },
                 [&](const core::LeaseEnded& ended) { answers_->lease_ended(ended); },
                 [&](const core::WakeAt& wake) { wake_at(wake.at); },
             },
             effect);
}

void Conductor::load(const core::Load& load) {
  const Model& model = catalog_.at(load.model);
  residents_[load.resident] = {load.device, load.weights, load.model};
  wire::LoadParams params;
  params.weights = load.resident.value;
  params.path = model.config.path;
  params.dtype = model.config.dtype;
  params.identity = model.facts->identity;
  params.context_tokens = load.context_tokens;
  params.kv_bytes = load.need.kv_bytes;
  params.workspace_bytes = load.need.workspace_bytes;
  log_.info("loading", {{"MODEL", model.config.name},
                        {"DEVICE", engine(load.device).device().name},
                        {"BYTES", number(load.need.total())}});
  engine(load.device).load(params);
}

void Conductor::wake_at(std::optional<core::Time> at) {
  if (!at) {
    wake_.cancel();
    return;
  }
  wake_.expires_at(clock_.when(*at));
  wake_.async_wait([this](const boost::system::error_code& error) {
    if (!error) decide([](core::Core& core, core::Time now) { return core.tick(now); });
  });
}

void Conductor::engine_ready(core::DeviceId device) {
  decide([&](core::Core& core, core::Time now) { return core.engine_ready(now, device); });
}

void Conductor::engine_lost(core::DeviceId device,
                            std::optional<std::chrono::milliseconds> retry_after,
                            const std::string& reason) {
  std::erase_if(residents_, [&](const auto& entry) { return entry.second.device == device; });
  decide([&](core::Core& core, core::Time now) {
    return core.engine_lost(now, device,
                            retry_after ? std::optional(now + *retry_after) : std::nullopt, reason);
  });
}

void Conductor::engine_stopped(core::DeviceId device) {
  decide([&](core::Core& core, core::Time now) { return core.engine_stopped(now, device); });
}

void Conductor::load_progress(core::ResidentId resident, float fraction) {
  decide([&](core::Core& core, core::Time now) {
    return core.load_progress(now, resident, fraction);
  });
}

void Conductor::load_done(core::ResidentId resident, const wire::LoadResult& result) {
  if (const auto found = residents_.find(resident); found != residents_.end())
    log_.info("loaded",
              {{"MODEL", catalog_.at(found->second.model).config.name}, {"MS", number(result.ms)}});
  const core::Need measured{result.tensor_bytes, result.kv_bytes, result.workspace_bytes};
  decide([&](core::Core& core, core::Time now) { return core.load_done(now, resident, measured); });
}

void Conductor::load_failed(core::ResidentId resident, const wire::Error& error) {
  if (const auto found = residents_.find(resident); found != residents_.end()) {
    if (error.code != wire::Code::interrupted)
      log_.error("load failed", {{"MODEL", catalog_.at(found->second.model).config.name},
                                 {"REASON", error.message}});
    residents_.erase(found);
  }
  const bool model_is_bad = error.code == wire::Code::model_bad;
  decide([&](core::Core& core, core::Time now) {
    return core.load_failed(now, resident, error.message, model_is_bad);
  });
}

void Conductor::unload_done(core::ResidentId resident, const wire::UnloadResult& result) {
  log_.info("unloaded", {{"FREED_BYTES", number(result.freed_bytes)},
                         {"RESIDUAL_BYTES", number(result.residual_bytes)},
                         {"MS", number(result.ms)}});
  decide([&](core::Core& core, core::Time now) {
    return core.unload_done(now, resident, result.expected_bytes, result.freed_bytes,
                            result.residual_bytes);
  });
}

}  // namespace gpumodel::broker

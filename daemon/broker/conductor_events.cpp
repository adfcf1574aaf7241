// What engines and loads report, as events of the core.
#include "broker/conductor.hpp"
#include "broker/log_messages.hpp"

namespace gpumodel::broker {

void Conductor::engine_ready(core::DeviceId device) {
  decide([&](core::Core& core, core::Time now) { return core.engine_ready(now, device); });
}

void Conductor::engine_lost(core::DeviceId device,
                            std::optional<std::chrono::milliseconds> retry_after,
                            const std::string& reason) {
  loads_.on_lost(device);
  decide([&](core::Core& core, core::Time now) {
    return core.engine_lost(now, device,
                            retry_after ? std::optional(now + *retry_after) : std::nullopt, reason);
  });
  // Its successor, which starts after a back-off, needs what the host cache can spare.
  if (kills_.happened()) {
    log_.warning(messages::kKilledForMemory);
    decide([&](core::Core& core, core::Time now) {
      return core.host_pressure(now, host_cache_bytes_);
    });
  }
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
  loads_.on_loaded(resident, result);
}

void Conductor::load_failed(core::ResidentId resident, const wire::Error& error) {
  loads_.on_load_failed(resident, error);
}

void Conductor::fill_done(core::WeightsId weights, const wire::FillResult& result) {
  loads_.on_filled(weights, result);
}

void Conductor::fill_failed(core::WeightsId weights, const wire::Error& error) {
  loads_.on_fill_failed(weights, error);
}

void Conductor::unload_done(core::ResidentId resident, const wire::UnloadResult& result) {
  log_.info(messages::kUnloaded, {{"FREED_BYTES", std::to_string(result.freed_bytes)},
                                  {"RESIDUAL_BYTES", std::to_string(result.residual_bytes)},
                                  {"MS", std::to_string(result.ms)}});
  decide([&](core::Core& core, core::Time now) {
    return core.unload_done(now, resident, result.expected_bytes, result.freed_bytes,
                            result.residual_bytes);
  });
}

void Conductor::loaded(core::ResidentId resident, const core::Need& measured, bool image_complete) {
  decide([&](core::Core& core, core::Time now) {
    return core.load_done(now, resident, measured, image_complete);
  });
}

void Conductor::not_loaded(core::ResidentId resident, const wire::Error& error) {
  const bool model_is_bad = error.code == wire::Code::model_bad;
  decide([&](core::Core& core, core::Time now) {
    return core.load_failed(now, resident, error.message, model_is_bad);
  });
}

void Conductor::filled(core::WeightsId weights) {
  decide([&](core::Core& core, core::Time now) { return core.image_filled(now, weights); });
}

void Conductor::not_filled(core::WeightsId weights, const std::string& reason) {
  decide([&](core::Core& core, core::Time now) { return core.image_failed(now, weights, reason); });
}

void Conductor::image_lost(core::WeightsId weights) {
  decide([&](core::Core& core, core::Time now) { return core.image_lost(now, weights); });
}

}  // namespace gpumodel::broker

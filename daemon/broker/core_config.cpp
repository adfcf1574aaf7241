#include "broker/config.hpp"

namespace gpumodel::broker {

core::CoreConfig core_config(const Config& config) {
  core::CoreConfig core;
  core.max_wait = config.daemon.max_wait;
  core.engine_grace = config.daemon.engine_grace;
  core.residual_threshold_bytes = config.daemon.residual_threshold_bytes;
  core.min_residency = config.daemon.min_residency;
  core.max_leases_per_user = config.limits.leases;
  core.max_queued_per_user = config.limits.queued;
  core.max_hold = config.limits.hold;
  core.max_device_bytes_per_user = config.limits.device_memory_bytes;
  core.host_cache_bytes = config.host_cache_bytes;
  return core;
}

}  // namespace gpumodel::broker

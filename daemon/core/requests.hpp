// The configuration of the core, and what clients and administrators ask of it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/types.hpp"

namespace gpumodel::core {

struct CoreConfig {
  Time max_wait{std::chrono::minutes(10)};
  Time engine_grace{std::chrono::seconds(60)};  // an engine with nothing resident stops after it
  Bytes residual_threshold_bytes = 64u << 20;
  Time min_residency{std::chrono::seconds(15)};
  // A user's limits: 0 denies, nullopt is no limit.
  std::optional<std::uint32_t> max_leases_per_user{};
  std::optional<std::uint32_t> max_queued_per_user{};
  std::optional<Time> max_hold{};                 // held while others wait
  std::optional<Bytes> max_device_bytes_per_user{};
  Bytes host_cache_bytes = 0;
};

struct AcquireRequest {
  RequestId request;
  SessionId session;
  std::vector<ModelId> models;        // 1..16, a model given twice gives two leases
  std::optional<Time> wait;           // nullopt: max_wait, which also cuts larger ones
  std::uint32_t context_tokens = 0;   // 0: the model's
  bool only_if_ready = false;
  bool wait_foreign = false;          // also for memory that other programs hold
};

struct YieldRequest {
  RequestId request;
  SessionId session;
  DeviceId device;
  Bytes bytes = 0;
  std::optional<Time> duration;  // from the answer on; nullopt: as long as the session lives
  std::optional<Time> wait;      // for the memory; nullopt: max_wait, which also cuts larger ones
};

}  // namespace gpumodel::core

// Rows for `status`, and what `plan` and `why` answer. Advice only: nothing decides by them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/effects.hpp"
#include "core/types.hpp"

namespace gpumodel::core {

struct ModelRow {
  ModelId model;
  ModelState state = ModelState::not_loaded;
  std::optional<DeviceId> device;
  std::uint32_t context_tokens = 0;   // as it is or would be served
  Bytes device_bytes = 0;             // the need of its weights, measured once loaded
  Bytes adapter_bytes = 0;            // of its adapter
  std::uint32_t leases = 0;
  std::uint32_t waiting = 0;
  Time since{0};
  struct LastLoad { Time took{0}; Bytes bytes = 0; };
  struct LastUnload { Time took{0}; Bytes expected = 0, freed = 0, residual = 0; };
  std::optional<LastLoad> load;
  std::optional<LastUnload> unload;
  std::string error;                  // state failed: the reason in words
  bool pinned = false;                // by its configuration or by an administrator
  bool preload = false;
};
struct DeviceRow {
  DeviceId device;
  enum class State { stopped, starting, running, backoff, failed };
  State engine = State::stopped;
  std::uint32_t restarts = 0;
  Bytes used_bytes = 0;
  Bytes free_bytes = 0;               // of the budget: capacity less the reserve or foreign memory, less yields
  Bytes foreign_bytes = 0;            // as last read
  Bytes yielded_bytes = 0;
  bool draining = false;
};
struct WeightsRow {
  WeightsId weights;
  std::optional<DeviceId> device;
  Need need;
  std::vector<ModelId> models;
  Tier residency = Tier::disk;
};
struct LeaseRow {
  LeaseId lease;
  std::uint64_t epoch = 0;
  ModelId model;
  SessionId session;
  enum class State { held, suspended, resuming };
  State state = State::held;
  Time since{0};
  std::optional<Time> idle_since;     // nothing while it is in use
};
struct QueueRow {
  RequestId request;
  std::uint32_t position = 0;
  std::vector<ModelId> models;
  SessionId session;
  Time since{0};
  std::optional<Time> eta;
  std::string reason;                 // what it waits for, in words
};
struct YieldRow {
  YieldId id;
  DeviceId device;
  Bytes bytes = 0;
  std::optional<Time> until;          // nothing: as long as its session lives
  SessionId session;
};
struct HostCacheRow {
  Bytes capacity_bytes = 0;
  Bytes used_bytes = 0;
};
struct Snapshot {
  std::vector<DeviceRow> devices;
  std::vector<WeightsRow> weights;
  std::vector<ModelRow> models;
  std::vector<LeaseRow> leases;
  std::vector<QueueRow> queue;
  std::vector<YieldRow> yields;
  HostCacheRow host_cache;
};

// What granting a request would take now.
struct PlanReport {
  enum class Action {
    join,     // it is there, or coming
    wait,     // for holders whose models cannot be evicted yet
    suspend,  // idle leases, before their model is evicted
    evict,
    load,
    load_from_host
  };
  struct Step {
    Action action = Action::join;
    ModelId model;
    std::optional<DeviceId> device;
    Bytes bytes = 0;
    std::optional<Time> takes;  // from history; nothing: unknown
  };
  std::optional<Refusal> error;  // it cannot be granted at all
  bool fits = false;             // without waiting for anybody
  Bytes missing_bytes = 0;
  std::vector<Step> steps;
  std::optional<Time> total;
};

struct WhyReport {
  ModelState state = ModelState::not_loaded;
  std::string reason;
};

}  // namespace gpumodel::core

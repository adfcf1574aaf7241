// The decisions of the daemon: who gets a lease when, what is loaded where, what is evicted for it.
// A state machine of values: events with their time go in, effects come out. Deterministic; no I/O, no
// clock, no thread. A broken invariant is a defect and aborts, also in release builds.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/effects.hpp"
#include "core/types.hpp"

namespace gpumodel::core {

struct CoreConfig {
  Time max_wait{std::chrono::minutes(10)};
  Time engine_grace{std::chrono::seconds(60)};  // an engine with nothing resident stops after it
  Bytes residual_threshold_bytes = 64u << 20;
  std::uint32_t max_leases_per_user = 0;  // 0: no limit
  std::uint32_t max_queued_per_user = 0;  // 0: no limit
};

struct AcquireRequest {
  RequestId request;
  SessionId session;
  std::vector<ModelId> models;        // 1..16, a model given twice gives two leases
  std::optional<Time> wait;           // nullopt: max_wait, which also cuts larger ones
  std::uint32_t context_tokens = 0;   // 0: the model's
  bool only_if_ready = false;
};

// Rows for `status`. Advice only: nothing decides by them.
struct ModelRow {
  ModelId model;
  ModelState state = ModelState::not_loaded;
  std::optional<DeviceId> device;
  std::uint32_t context_tokens = 0;   // as it is or would be served
  Bytes device_bytes = 0;             // the need, measured once loaded
  std::uint32_t leases = 0;
  std::uint32_t waiting = 0;
  Time since{0};
  struct LastLoad { Time took{0}; Bytes bytes = 0; };
  struct LastUnload { Time took{0}; Bytes expected = 0, freed = 0, residual = 0; };
  std::optional<LastLoad> load;
  std::optional<LastUnload> unload;
  std::string error;                  // state failed: the reason in words
};
struct DeviceRow {
  DeviceId device;
  enum class State { stopped, starting, running, backoff, failed };
  State engine = State::stopped;
  std::uint32_t restarts = 0;
  Bytes used_bytes = 0;
  Bytes free_bytes = 0;
};
struct WeightsRow {
  WeightsId weights;
  std::optional<DeviceId> device;
  Need need;
  std::vector<ModelId> models;
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
struct Snapshot {
  std::vector<DeviceRow> devices;
  std::vector<WeightsRow> weights;
  std::vector<ModelRow> models;
  std::vector<LeaseRow> leases;
  std::vector<QueueRow> queue;
};

class Core {
 public:
  explicit Core(CoreConfig config);
  ~Core();
  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;

  // ---- what there is
  Effects add_device(Time now, const DeviceSpec& device);
  // A model that the probe could read; replaces what was known of it unless it is resident.
  Effects set_model(Time now, const ModelSpec& model);
  // A model that cannot be used, and why; it refuses leases until set_model.
  Effects set_model_bad(Time now, ModelId model, std::string name, std::string reason);

  // ---- clients
  Effects session_opened(Time now, const Session& session);
  // Ends its leases, withdraws its requests unanswered.
  Effects session_closed(Time now, SessionId session);
  Effects acquire(Time now, const AcquireRequest& request);
  // A waiting acquire is answered `interrupted`; an unknown or answered one is left alone.
  Effects cancel(Time now, RequestId request);
  Effects release(Time now, RequestId request, SessionId session, LeaseId lease, std::uint64_t epoch);

  // A generation wants to run on a lease. Answered by Usable at once where the model is resident, by
  // Usable later where it has to come back first (its engine was lost), by Refused where the lease is not
  // this session's. Until use_ended the lease is in use.
  Effects use(Time now, RequestId request, SessionId session, LeaseId lease, std::uint64_t epoch);
  // The generation ended, or gave up waiting (no answer follows then).
  Effects use_ended(Time now, RequestId request);
  // Whether `session` holds this lease now: for what needs no weights.
  std::optional<ModelId> leased_model(SessionId session, LeaseId lease, std::uint64_t epoch) const;

  // ---- engines
  Effects engine_ready(Time now, DeviceId device);
  // It died, or could not be started. Everything on it is gone. `retry_at`: when a start may be tried again
  // (the broker's back-off); nullopt: never, the device is failed for `reason`.
  Effects engine_lost(Time now, DeviceId device, std::optional<Time> retry_at, std::string reason);
  Effects engine_stopped(Time now, DeviceId device);
  Effects load_progress(Time now, ResidentId resident, float fraction);
  Effects load_done(Time now, ResidentId resident, const Need& measured);
  Effects load_failed(Time now, ResidentId resident, std::string reason, bool model_is_bad);
  Effects unload_done(Time now, ResidentId resident, Bytes expected, Bytes freed, Bytes residual);

  Effects tick(Time now);
  // No new leases from now on.
  Effects drain(Time now);

  Snapshot snapshot(Time now) const;
  // Every byte of the ledger adds up, every bound lease has a ready resident, ...: for simulations.
  void check_invariants() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace gpumodel::core

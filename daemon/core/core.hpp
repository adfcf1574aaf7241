// The decisions of the daemon: who gets a lease when, what is loaded where, what is evicted for it.
// A state machine of values: events with their time go in, effects come out. Deterministic; no I/O, no
// clock, no thread. A broken invariant is a defect and aborts, also in release builds.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/effects.hpp"
#include "core/requests.hpp"
#include "core/snapshot.hpp"
#include "core/types.hpp"

namespace gpumodel::core {

class Core {
 public:
  explicit Core(const CoreConfig& config);
  ~Core();
  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;

  // ---- what there is
  Effects add_device(Time now, const DeviceSpec& device);
  // A model that the probe could read; replaces what was known of it unless it is resident.
  Effects set_model(Time now, const ModelSpec& model);
  // A model that cannot be used, and why; it refuses leases until set_model.
  Effects set_model_bad(Time now, ModelId model, std::string name, std::string reason);
  // No new leases; it is forgotten when its last lease has ended. A queued request is refused `no_model`.
  Effects remove_model(Time now, ModelId model);
  Effects set_config(Time now, const CoreConfig& config);

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

  // The models are wanted soon, for 10 s or until the session ends. Answered at once, by Prefetched or
  // Refused.
  Effects prefetch(Time now, RequestId request, SessionId session, const std::vector<ModelId>& models);

  // ---- administrators
  // Answered by Released, or Refused: `busy` where it is pinned, or else leased or awaited and not
  // forced; the refusal's reason ends the sentence "the model is ...".
  Effects unload(Time now, RequestId request, ModelId model, bool force, SessionId session);
  // Beside what the configuration says; outlives set_model.
  Effects pin(Time now, ModelId model, bool pinned);
  // Answered by Yielded once the bytes are free, or Refused: never_fits, busy, interrupted, device.
  Effects yield(Time now, const YieldRequest& request);
  Effects unyield(Time now, YieldId yield);
  // Ends a lease; an unknown one is left alone.
  Effects revoke(Time now, LeaseId lease, std::string reason);
  // No new leases while on.
  Effects drain(Time now, bool on);
  // No loads on the device while on; what is there leaves when nobody leases it.
  Effects drain_device(Time now, DeviceId device, bool on);

  // ---- memory
  // Answers ReadMemory; nullopt: it could not be read, and the last reading stands.
  Effects memory_read(Time now, DeviceId device, std::optional<Bytes> foreign_bytes);
  Effects image_filled(Time now, WeightsId weights);
  Effects image_failed(Time now, WeightsId weights, std::string reason);
  // A complete image turned out to be wrong.
  Effects image_lost(Time now, WeightsId weights);
  // Drops images that nothing uses until this much came free.
  Effects host_pressure(Time now, Bytes bytes);

  // ---- engines
  Effects engine_ready(Time now, DeviceId device);
  // It died, or could not be started. Everything on it is gone. `retry_at`: when a start may be tried again
  // (the broker's back-off); nullopt: never, the device is failed for `reason`.
  Effects engine_lost(Time now, DeviceId device, std::optional<Time> retry_at, std::string reason);
  Effects engine_stopped(Time now, DeviceId device);
  Effects load_progress(Time now, ResidentId resident, float fraction);
  // `image_complete`: of a load with HostImage::fill, whether the image was filled.
  Effects load_done(Time now, ResidentId resident, const Need& measured, bool image_complete);
  Effects load_failed(Time now, ResidentId resident, std::string reason, bool model_is_bad);
  Effects unload_done(Time now, ResidentId resident, Bytes expected, Bytes freed, Bytes residual);

  Effects tick(Time now);

  // ---- looking
  Snapshot snapshot(Time now) const;
  // For a user as if it asked now; `now` as in the events, and not before the last one.
  PlanReport plan(Time now, std::uint32_t uid, const std::vector<ModelId>& models) const;
  WhyReport why(Time now, ModelId model) const;
  // Every byte of the ledger adds up, every bound lease has a ready resident, ...: for simulations.
  void check_invariants() const;

 private:
  class State;
  template <class Handler>
  Effects event(Time now, Handler&& handler);

  std::unique_ptr<State> state_;
};

}  // namespace gpumodel::core

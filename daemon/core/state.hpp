// The one object behind Core. Every event changes what it is about and then settles everything
// else: admission, grants, expiry, unloads, engines, and what waiters are told follow from the
// state alone, whatever the event was.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/catalog.hpp"
#include "core/core.hpp"
#include "core/engine_state.hpp"
#include "core/lease_table.hpp"
#include "core/planner.hpp"
#include "core/queue.hpp"
#include "core/residency.hpp"

namespace gpumodel::core {

class Core::State {
 public:
  explicit State(CoreConfig config) : config_(config) {}

  // Every event: begin, one of the handlers below, finish.
  void begin(Time now);
  Effects finish();

  // ---- what there is, clients (requests.cpp)
  void add_device(const DeviceSpec& device);
  void set_model(const ModelSpec& model);
  void set_model_bad(ModelId model, std::string name, std::string reason);
  void session_opened(const Session& session);
  void session_closed(SessionId session);
  void acquire(const AcquireRequest& request);
  void cancel(RequestId request);
  void release(RequestId request, SessionId session, LeaseId lease, std::uint64_t epoch);
  void use(RequestId request, SessionId session, LeaseId lease, std::uint64_t epoch);
  void use_ended(RequestId request);
  std::optional<ModelId> leased_model(SessionId session, LeaseId lease, std::uint64_t epoch) const;
  void remove_model(ModelId model);
  void set_config(const CoreConfig& config);
  void prefetch(RequestId request, SessionId session, const std::vector<ModelId>& models);

  // ---- administrators (administration.cpp)
  void unload(RequestId request, ModelId model, bool force, SessionId session);
  void pin(ModelId model, bool pinned);
  void yield(const YieldRequest& request);
  void unyield(YieldId yield);
  void revoke(LeaseId lease, std::string reason);
  void drain(bool on) { draining_ = on; }
  void drain_device(DeviceId device, bool on);

  // ---- memory (memory_events.cpp)
  void memory_read(DeviceId device, std::optional<Bytes> foreign_bytes);
  void image_filled(WeightsId weights);
  void image_failed(WeightsId weights, std::string reason);
  void image_lost(WeightsId weights);
  void host_pressure(Bytes bytes);

  // ---- engines (engine_events.cpp)
  void engine_ready(DeviceId device);
  void engine_lost(DeviceId device, std::optional<Time> retry_at, std::string reason);
  void engine_stopped(DeviceId device);
  void load_progress(ResidentId resident, float fraction);
  void load_done(ResidentId resident, const Need& measured, bool image_complete);
  void load_failed(ResidentId resident, const std::string& reason, bool model_is_bad);
  void unload_done(ResidentId resident, Bytes expected, Bytes freed, Bytes residual);

  // ---- looking (snapshot.cpp, invariants.cpp)
  Snapshot snapshot(Time now) const;
  PlanReport plan(Time now, std::uint32_t uid, const std::vector<ModelId>& models) const;
  WhyReport why(Time now, ModelId model) const;
  void check_invariants() const;

 private:
  struct Device {
    DeviceSpec spec;
    EngineState engine;
  };
  struct SessionEntry {
    std::uint32_t uid = 0;
    std::set<LeaseId> leases;
    std::set<RequestId> waiting;
  };
  struct PendingRelease {
    RequestId request;
    SessionId session;
    ModelId model;
    ResidentId resident;  // none: the lease was suspended
  };

  // A waiter that cannot be admitted keeps its devices from the loads of later ones.
  struct Stuck {
    Waiter* waiter = nullptr;
    std::vector<DeviceId> devices;
  };

  enum class Admission { admitted, stuck, makes_room };

  // ---- admission.cpp. These say whether they changed anything.
  bool admit_and_grant();
  Admission try_admit(Waiter& waiter, const std::vector<PlanDevice>& devices,
                      std::vector<Stuck>& stuck);
  void carry_out(Waiter& waiter, const Plan& plan, const std::vector<std::size_t>& item_of);
  // The last resort for a waiter without a plan: where it could be served if all that nobody uses
  // were gone (residual with its engine, and its own weights, which may be loaded larger than it
  // needs), all that goes, and the waiter waits for it.
  bool start_over(const Waiter& waiter, std::vector<PlanDevice> devices,
                  const std::vector<PlanItem>& items);
  bool expire();
  // Where less came free, or a load took more, than was counted on.
  bool undo_overcommitment();
  // Back from admitted to queued, at its old place.
  void throw_back(Waiter& waiter);
  std::vector<RequestId> claimers(ResidentId resident) const;
  std::vector<PlanDevice> plan_devices() const;
  // Why these models can never be granted as things are known now.
  std::optional<Refusal> impossible(const std::vector<ModelId>& models) const;
  Refusal no_device(ModelId model) const;
  // Refuses the waiters that can never be granted any more.
  void recheck_waiters();

  // ---- grants.cpp
  bool grant_if_ready(Waiter& waiter);
  void grant(Waiter& waiter);
  void answer_use(RequestId request, Lease& lease);
  GrantedLease granted(const Lease& lease) const;
  void bind(Lease& lease, Resident& resident);
  void bind_suspended(Resident& resident);
  void end_lease(LeaseId lease);
  void answer_release();
  void refuse(RequestId request, Refusal refusal);
  // Takes it off the queue, without an answer.
  void drop_waiter(RequestId request);

  // ---- upkeep.cpp
  bool settle_residents();
  bool wanted(const Resident& resident) const;
  bool serves(const Resident& resident, ModelId model) const;
  void start_unload(Resident& resident);
  void remove_resident(ResidentId resident);
  void keep_by_policy(Resident& resident, ModelId model);
  void drive_engine(Device& device);
  void start_loads(Device& device);
  void stop_if_idle(Device& device);

  // ---- telling.cpp
  void tell_progress();
  Progress progress_of(const Waiter& waiter, std::uint32_t position) const;
  std::optional<Time> eta(const Waiter& waiter) const;
  void want_wake_up();

  // ---- engine_events.cpp
  void answer_unload(const Resident& resident, const ReleaseReport& report);
  void lose(ResidentId resident, const std::string& reason);

  // ---- snapshot.cpp
  ModelRow model_row(const ModelEntry& entry, Time now) const;
  const Resident* resident_of(const ModelEntry& entry) const;
  std::string waiting_for(const Waiter& waiter) const;

  void emit(Effect effect) { out_.push_back(std::move(effect)); }

  CoreConfig config_;
  Time now_{0};
  bool draining_ = false;
  Effects out_;

  std::map<DeviceId, Device> devices_;
  Catalog catalog_;
  Residency residency_;
  LeaseTable leases_;
  Queue queue_;
  std::unordered_map<SessionId, SessionEntry> sessions_;
  std::map<WeightsId, std::uint32_t> losses_;  // engines lost in a row while loading them
  std::optional<PendingRelease> releasing_;    // answered when the event has settled
  std::optional<Time> told_wake_up_;
};

}  // namespace gpumodel::core

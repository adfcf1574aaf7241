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
#include "core/fairness.hpp"
#include "core/history.hpp"
#include "core/host_cache.hpp"
#include "core/lease_table.hpp"
#include "core/planner.hpp"
#include "core/prefetches.hpp"
#include "core/queue.hpp"
#include "core/residency.hpp"
#include "core/state_parts.hpp"
#include "core/yields.hpp"

namespace gpumodel::core {

class Core::State {
 public:
  explicit State(const CoreConfig& config) { adopt(config); }

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
  void adopt(const CoreConfig& config);
  void set_config(const CoreConfig& config) { adopt(config); }
  void prefetch(RequestId request, SessionId session, const std::vector<ModelId>& models);

  // ---- administrators (administration.cpp)
  void unload(RequestId request, ModelId model, bool force, SessionId session);
  void pin(ModelId model, bool pinned);
  void yield(const YieldRequest& request);
  void unyield(YieldId yield);
  void revoke(LeaseId lease, const std::string& reason);
  void drain(bool on);
  void drain_device(DeviceId device, bool on);

  // ---- memory (memory_events.cpp)
  void memory_read(DeviceId device, std::optional<Bytes> foreign_bytes);
  void image_filled(WeightsId weights);
  void image_failed(WeightsId weights, const std::string& reason);
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
  WhyReport why(ModelId model) const;
  void check_invariants() const;

 private:
  enum class Admission { admitted, stuck, parked, makes_room, answered };

  // ---- requests.cpp
  // Leased, or something of it is on a device.
  bool in_use(const ModelEntry& entry) const;

  // ---- admission.cpp. These say whether they changed anything.
  bool admit_and_grant();
  // In the order of their turns.
  std::vector<RequestId> in_order() const;
  void refresh(Waiter& waiter) const;
  Admission try_admit(Waiter& waiter, const std::vector<PlanDevice>& devices, Stuck& stuck);
  bool may_go_ahead(const Waiter& waiter, const Plan& plan, const Stuck& stuck) const;
  void carry_out(Waiter& waiter, const Plan& plan);
  Resident& plan_resident(WeightsId weights, DeviceId device, const std::vector<ModelId>& models);
  // Back from admitted to queued, at its old place.
  void throw_back(Waiter& waiter);
  std::vector<RequestId> claimers(ResidentId resident) const;

  // ---- making_room.cpp
  // As they are at a time not before the last event.
  std::vector<PlanDevice> plan_devices(Time at) const;
  // The last resort for a waiter without a plan: where it could be served if all that nobody uses
  // were gone (residual with its engine, and its own weights, which may be loaded larger than it
  // needs), all that goes, and the waiter waits for it.
  bool start_over(const Waiter& waiter, std::vector<PlanDevice> devices);
  // Loads for prefetches alone on the waiter's devices end.
  bool stop_prefetches(const Waiter& waiter);
  bool expire();
  // Where less came free, or a load took more, than was counted on.
  bool undo_overcommitment();
  bool make_room_for_yields();

  // ---- possible.cpp
  // Why these models can never be granted as things are known now. A use may be of a removed model.
  std::optional<Refusal> impossible(const std::vector<ModelId>& models, bool is_use) const;
  Refusal no_device(ModelId model) const;
  // Refuses the waiters that can never be granted any more.
  void recheck_waiters();
  // What keeps a waiter from being served even where all of ours were gone.
  enum class InTheWay { nothing, foreign, unread, other };
  InTheWay in_the_way(const Waiter& waiter) const;
  Refusal foreign_refusal(const Waiter& waiter) const;
  std::optional<Refusal> over_quota(const AcquireRequest& request, std::uint32_t uid) const;
  void want_reading(Device& device);

  // ---- suspension.cpp
  bool blocked(SessionId session) const;
  // One of its requests in the queue is for a model on these very weights.
  bool waits_for(SessionId session, const Resident& resident) const;
  // When the lease may be suspended for a waiter if nothing else changes; nullopt: not before
  // somebody does something.
  std::optional<Time> suspendable_at(const Lease& lease) const;
  // The same for a resident; `for_admin`: whatever its minimum residency.
  using LeasesOf = std::map<ResidentId, std::vector<const Lease*>>;
  LeasesOf leases_of_residents() const;
  std::optional<Time> evictable_at(const Resident& resident, const LeasesOf& leases,
                                   bool for_admin) const;
  bool is_pinned(const Resident& resident) const;
  bool over_hold(const Lease& lease) const;
  // Whether another session waits for its device.
  bool contended(const Lease& lease) const;
  // Its leases are suspended, then it is unloaded.
  void evict(Resident& resident, const std::string& reason);
  void suspend(Lease& lease);
  // Books the time since the last event on those who were served while others waited.
  void charge(Time passed);
  void settle_fairness();

  // ---- grants.cpp
  bool grant_if_ready(Waiter& waiter);
  void grant(Waiter& waiter);
  void answer_use(RequestId request, Lease& lease);
  GrantedLease granted(const Lease& lease) const;
  // `adapter` is none where the model has none.
  void bind(Lease& lease, ResidentId resident, ResidentId adapter);
  // What it was bound to is idle then, as far as this lease goes.
  void unbind(Lease& lease);
  // Binds a lease that was suspended.
  void resume(Lease& lease, ResidentId resident, ResidentId adapter);
  // Those that can run on the device again now that this is ready.
  void bind_suspended(const Resident& resident);
  void tell_released(const Lease& lease, const std::string& reason);
  void end_lease(LeaseId lease);
  void answer_release();
  // The request is answered when all of these, which are being unloaded, have been measured.
  void answer_after_unloads(const PendingRelease& release, const std::vector<ResidentId>& going);
  void refuse(RequestId request, Refusal refusal);
  // Takes it off the queue, without an answer.
  void drop_waiter(RequestId request);

  // ---- upkeep.cpp
  bool settle_residents();
  bool settle_removed();
  // Another model on these weights, or with this adapter, that stays; none where there is none.
  ModelId heir_of(const ModelEntry& removed, WeightsId weights) const;
  bool kept(const Resident& resident) const;
  // Of an adapter: whether some weights that it belongs to are on its device, or coming.
  bool is_beside_weights(const Resident& adapter) const;
  // How long a model's auto_unload keeps its weights after a last release; nullopt: until the memory
  // is needed.
  std::optional<Time> kept_until(ModelId model, Time released) const;
  bool wanted(const Resident& resident) const;
  bool wanted_soon(const Resident& resident) const;
  bool serves(const Resident& resident, ModelId model) const;
  void start_unload(Resident& resident);
  void remove_resident(ResidentId resident);
  void drive_engine(Device& device);
  void start_loads(Device& device);
  void start_load(Resident& resident);
  void stop_if_idle(Device& device);

  // ---- images.cpp
  Tier residency_now(const ModelEntry& entry) const;
  // Drops what is needed; says whether it fits then.
  bool make_room_in_host_cache(Bytes bytes);
  HostImage image_for(const Resident& resident);
  // A load with HostImage::fill is done.
  void finish_fill(Resident& resident, bool complete);
  // Unmaps it; one that was not completed goes.
  void release_image(Resident& resident);
  void drop_image(WeightsId weights, const std::string& reason);
  Bytes image_bytes(WeightsId weights) const;
  bool fills_on(DeviceId device) const;
  void stop_unwanted_fills();
  void lose_fills(DeviceId device);
  // Plans what of it is missing where that fits as things are and nobody waits; gives what it planned.
  std::vector<ResidentId> load_without_eviction(ModelId model);
  void fill_soon(ModelId model, Prefetched::Row& row);
  void preload();

  // ---- telling.cpp
  void tell_progress();
  Progress progress_of(const Waiter& waiter, std::uint32_t position) const;
  std::optional<Time> load_eta(const Waiter& waiter) const;
  std::optional<Time> load_estimate(WeightsId weights) const;
  // How long the waiters may have to wait, asked in their order: an estimate from history.
  class Forecast {
   public:
    Forecast(const State& state, Time now);
    std::optional<Time> next(const Waiter& waiter);

   private:
    const State& state_;
    std::map<DeviceId, std::optional<Time>> free_in_;  // nullopt: unknown
  };
  void want_wake_up();

  // ---- engine_events.cpp
  void answer_unload(const Resident& resident, const ReleaseReport& report);
  void lose(ResidentId resident, const std::string& reason);

  // ---- memory_events.cpp
  bool waits_for_foreign(DeviceId device) const;
  void poll_foreign();

  // ---- administration.cpp
  // Unloads those that nobody leases; one answer.
  void unload_all(PendingRelease answer, const std::vector<ResidentId>& residents);
  void close_yields(SessionId session);
  void end_yield(YieldId yield, const std::string& reason);
  void book_yields(DeviceId device);
  bool answer_yields();

  // ---- snapshot.cpp, explain.cpp
  ModelRow model_row(const ModelEntry& entry) const;
  const Resident* resident_of(const ModelEntry& entry) const;
  // On the device of resident_of(); nullptr also where the model has none.
  const Resident* adapter_of(const ModelEntry& entry) const;
  std::string waiting_for(const Waiter& waiter) const;
  std::string reason_of(const ModelEntry& entry, const ModelRow& row) const;
  void explain_wait(const std::vector<PlanDevice>& devices, const std::vector<PlanItem>& items,
                    PlanReport& report) const;

  void emit(Effect effect) { out_.push_back(std::move(effect)); }
  void happened(Happened::Type type, ModelId model, DeviceId device = {}, Bytes bytes = 0,
                Time took = Time{0}, std::string reason = {},
                std::optional<std::uint32_t> uid = {});

  CoreConfig config_;
  Time now_{0};
  bool draining_ = false;
  Effects out_;

  std::map<DeviceId, Device> devices_;
  Catalog catalog_;
  std::uint64_t checked_version_ = 0;  // of the catalog, by recheck_waiters()
  Residency residency_;
  LeaseTable leases_;
  Queue queue_;
  Fairness fairness_;
  HostCache images_;
  History history_;
  Yields yields_;
  Prefetches prefetches_;
  std::unordered_map<SessionId, SessionEntry> sessions_;
  std::map<WeightsId, std::uint32_t> losses_;  // engines lost in a row while loading them
  std::optional<PendingRelease> releasing_;    // answered when the event has settled
  std::map<RequestId, PendingUnloads> unloads_;
  std::optional<Time> told_wake_up_;
};

}  // namespace gpumodel::core

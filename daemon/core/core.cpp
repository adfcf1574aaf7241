#include "core/core.hpp"

#include <utility>

#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

Core::Core(const CoreConfig& config) : state_(std::make_unique<State>(config)) {}
Core::~Core() = default;
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;

void Core::State::begin(Time now) {
  require(now >= now_, "time does not go back");
  require(out_.empty(), "one event at a time");
  charge(now - now_);
  now_ = now;
}

Effects Core::State::finish() {
  prefetches_.expire(now_);
  bool changed = true;
  while (changed) {
    if (std::exchange(checked_version_, catalog_.version()) != catalog_.version())
      recheck_waiters();
    settle_fairness();
    changed = answer_yields();
    changed |= undo_overcommitment();
    changed |= make_room_for_yields();
    changed |= admit_and_grant();
    // A wait is over only when nothing more can be done for it: that its session waits may make
    // room.
    if (!changed) changed = expire();
    changed |= settle_residents();
    changed |= settle_removed();
  }
  preload();
  stop_unwanted_fills();
  answer_release();
  for (auto& [id, device] : devices_) drive_engine(device);
  poll_foreign();
  tell_progress();
  want_wake_up();
  return std::exchange(out_, {});
}

template <class Handler>
Effects Core::event(Time now, Handler&& handler) {
  state_->begin(now);
  handler(*state_);
  return state_->finish();
}

Effects Core::add_device(Time now, const DeviceSpec& device) {
  return event(now, [&](State& state) { state.add_device(device); });
}

Effects Core::set_model(Time now, const ModelSpec& model) {
  return event(now, [&](State& state) { state.set_model(model); });
}

Effects Core::set_model_bad(Time now, ModelId model, std::string name, std::string reason) {
  return event(
      now, [&](State& state) { state.set_model_bad(model, std::move(name), std::move(reason)); });
}

Effects Core::remove_model(Time now, ModelId model) {
  return event(now, [&](State& state) { state.remove_model(model); });
}

Effects Core::set_config(Time now, const CoreConfig& config) {
  return event(now, [&](State& state) { state.set_config(config); });
}

Effects Core::session_opened(Time now, const Session& session) {
  return event(now, [&](State& state) { state.session_opened(session); });
}

Effects Core::session_closed(Time now, SessionId session) {
  return event(now, [&](State& state) { state.session_closed(session); });
}

Effects Core::acquire(Time now, const AcquireRequest& request) {
  return event(now, [&](State& state) { state.acquire(request); });
}

Effects Core::cancel(Time now, RequestId request) {
  return event(now, [&](State& state) { state.cancel(request); });
}

Effects Core::release(Time now, RequestId request, SessionId session, LeaseId lease,
                      std::uint64_t epoch) {
  return event(now, [&](State& state) { state.release(request, session, lease, epoch); });
}

Effects Core::use(Time now, RequestId request, SessionId session, LeaseId lease,
                  std::uint64_t epoch) {
  return event(now, [&](State& state) { state.use(request, session, lease, epoch); });
}

Effects Core::use_ended(Time now, RequestId request) {
  return event(now, [&](State& state) { state.use_ended(request); });
}

Effects Core::prefetch(Time now, RequestId request, SessionId session,
                       const std::vector<ModelId>& models) {
  return event(now, [&](State& state) { state.prefetch(request, session, models); });
}

Effects Core::unload(Time now, RequestId request, ModelId model, bool force, SessionId session) {
  return event(now, [&](State& state) { state.unload(request, model, force, session); });
}

Effects Core::pin(Time now, ModelId model, bool pinned) {
  return event(now, [&](State& state) { state.pin(model, pinned); });
}

Effects Core::yield(Time now, const YieldRequest& request) {
  return event(now, [&](State& state) { state.yield(request); });
}

Effects Core::unyield(Time now, YieldId yield) {
  return event(now, [&](State& state) { state.unyield(yield); });
}

Effects Core::revoke(Time now, LeaseId lease, std::string reason) {
  return event(now, [&](State& state) { state.revoke(lease, reason); });
}

Effects Core::drain(Time now, bool on) {
  return event(now, [&](State& state) { state.drain(on); });
}

Effects Core::drain_device(Time now, DeviceId device, bool on) {
  return event(now, [&](State& state) { state.drain_device(device, on); });
}

Effects Core::memory_read(Time now, DeviceId device, std::optional<Bytes> foreign_bytes) {
  return event(now, [&](State& state) { state.memory_read(device, foreign_bytes); });
}

Effects Core::image_filled(Time now, WeightsId weights) {
  return event(now, [&](State& state) { state.image_filled(weights); });
}

Effects Core::image_failed(Time now, WeightsId weights, std::string reason) {
  return event(now, [&](State& state) { state.image_failed(weights, reason); });
}

Effects Core::image_lost(Time now, WeightsId weights) {
  return event(now, [&](State& state) { state.image_lost(weights); });
}

Effects Core::host_pressure(Time now, Bytes bytes) {
  return event(now, [&](State& state) { state.host_pressure(bytes); });
}

Effects Core::engine_ready(Time now, DeviceId device) {
  return event(now, [&](State& state) { state.engine_ready(device); });
}

Effects Core::engine_lost(Time now, DeviceId device, std::optional<Time> retry_at,
                          std::string reason) {
  return event(now, [&](State& state) { state.engine_lost(device, retry_at, std::move(reason)); });
}

Effects Core::engine_stopped(Time now, DeviceId device) {
  return event(now, [&](State& state) { state.engine_stopped(device); });
}

Effects Core::load_progress(Time now, ResidentId resident, float fraction) {
  return event(now, [&](State& state) { state.load_progress(resident, fraction); });
}

Effects Core::load_done(Time now, ResidentId resident, const Need& measured, bool image_complete) {
  return event(now, [&](State& state) { state.load_done(resident, measured, image_complete); });
}

Effects Core::load_failed(Time now, ResidentId resident, std::string reason, bool model_is_bad) {
  return event(now,
               [&](State& state) { state.load_failed(resident, std::move(reason), model_is_bad); });
}

Effects Core::unload_done(Time now, ResidentId resident, Bytes expected, Bytes freed,
                          Bytes residual) {
  return event(now, [&](State& state) { state.unload_done(resident, expected, freed, residual); });
}

Effects Core::tick(Time now) {
  return event(now, [](State&) {});
}

std::optional<ModelId> Core::leased_model(SessionId session, LeaseId lease,
                                          std::uint64_t epoch) const {
  return state_->leased_model(session, lease, epoch);
}

Snapshot Core::snapshot(Time now) const { return state_->snapshot(now); }

PlanReport Core::plan(Time now, std::uint32_t uid, const std::vector<ModelId>& models) const {
  return state_->plan(now, uid, models);
}

WhyReport Core::why(Time, ModelId model) const { return state_->why(model); }

void Core::check_invariants() const { state_->check_invariants(); }

}  // namespace gpumodel::core

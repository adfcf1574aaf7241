#include "core/core.hpp"

#include <utility>

#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

Core::Core(CoreConfig config) : state_(std::make_unique<State>(config)) {}
Core::~Core() = default;
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;

void Core::State::begin(Time now) {
  require(now >= now_, "time does not go back");
  require(out_.empty(), "one event at a time");
  now_ = now;
}

Effects Core::State::finish() {
  bool changed = true;
  while (changed) {
    changed = undo_overcommitment();
    changed |= admit_and_grant();
    changed |= expire();
    changed |= settle_residents();
  }
  answer_release();
  for (auto& [id, device] : devices_) drive_engine(device);
  tell_progress();
  want_wake_up();
  return std::exchange(out_, {});
}

Effects Core::add_device(Time now, const DeviceSpec& device) {
  state_->begin(now);
  state_->add_device(device);
  return state_->finish();
}

Effects Core::set_model(Time now, const ModelSpec& model) {
  state_->begin(now);
  state_->set_model(model);
  return state_->finish();
}

Effects Core::set_model_bad(Time now, ModelId model, std::string name, std::string reason) {
  state_->begin(now);
  state_->set_model_bad(model, std::move(name), std::move(reason));
  return state_->finish();
}

Effects Core::session_opened(Time now, const Session& session) {
  state_->begin(now);
  state_->session_opened(session);
  return state_->finish();
}

Effects Core::session_closed(Time now, SessionId session) {
  state_->begin(now);
  state_->session_closed(session);
  return state_->finish();
}

Effects Core::acquire(Time now, const AcquireRequest& request) {
  state_->begin(now);
  state_->acquire(request);
  return state_->finish();
}

Effects Core::cancel(Time now, RequestId request) {
  state_->begin(now);
  state_->cancel(request);
  return state_->finish();
}

Effects Core::release(Time now, RequestId request, SessionId session, LeaseId lease,
                      std::uint64_t epoch) {
  state_->begin(now);
  state_->release(request, session, lease, epoch);
  return state_->finish();
}

Effects Core::use(Time now, RequestId request, SessionId session, LeaseId lease,
                  std::uint64_t epoch) {
  state_->begin(now);
  state_->use(request, session, lease, epoch);
  return state_->finish();
}

Effects Core::use_ended(Time now, RequestId request) {
  state_->begin(now);
  state_->use_ended(request);
  return state_->finish();
}

std::optional<ModelId> Core::leased_model(SessionId session, LeaseId lease,
                                          std::uint64_t epoch) const {
  return state_->leased_model(session, lease, epoch);
}

Effects Core::engine_ready(Time now, DeviceId device) {
  state_->begin(now);
  state_->engine_ready(device);
  return state_->finish();
}

Effects Core::engine_lost(Time now, DeviceId device, std::optional<Time> retry_at,
                          std::string reason) {
  state_->begin(now);
  state_->engine_lost(device, retry_at, std::move(reason));
  return state_->finish();
}

Effects Core::engine_stopped(Time now, DeviceId device) {
  state_->begin(now);
  state_->engine_stopped(device);
  return state_->finish();
}

Effects Core::load_progress(Time now, ResidentId resident, float fraction) {
  state_->begin(now);
  state_->load_progress(resident, fraction);
  return state_->finish();
}

Effects Core::load_done(Time now, ResidentId resident, const Need& measured) {
  state_->begin(now);
  state_->load_done(resident, measured);
  return state_->finish();
}

Effects Core::load_failed(Time now, ResidentId resident, std::string reason, bool model_is_bad) {
  state_->begin(now);
  state_->load_failed(resident, reason, model_is_bad);
  return state_->finish();
}

Effects Core::unload_done(Time now, ResidentId resident, Bytes expected, Bytes freed,
                          Bytes residual) {
  state_->begin(now);
  state_->unload_done(resident, expected, freed, residual);
  return state_->finish();
}

Effects Core::tick(Time now) {
  state_->begin(now);
  return state_->finish();
}

Effects Core::drain(Time now) {
  state_->begin(now);
  state_->drain();
  return state_->finish();
}

Snapshot Core::snapshot(Time now) const { return state_->snapshot(now); }

void Core::check_invariants() const { state_->check_invariants(); }

}  // namespace gpumodel::core

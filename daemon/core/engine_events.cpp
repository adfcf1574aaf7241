// What engines report. Reports about what is no longer as they say (late, or after a loss) are left
// alone.
#include <algorithm>

#include "core/mutation.hpp"
#include "core/state.hpp"

namespace gpumodel::core {
namespace {

// A load that brings its engine down is tried this often again before its requests are refused.
constexpr std::uint32_t kMaxRetries = 2;

// Of what is unloaded at the same time.
void add(const ReleaseReport& one, ReleaseReport& all) {
  all.outcome = one.outcome;
  all.expected_bytes += one.expected_bytes;
  all.freed_bytes += one.freed_bytes;
  all.residual_bytes += one.residual_bytes;
  all.unload_time = std::max(all.unload_time, one.unload_time);
}

}  // namespace

void Core::State::engine_ready(DeviceId id) {
  EngineState& engine = devices_.at(id).engine;
  if (engine.phase != EngineState::Phase::starting) return;
  engine.phase = EngineState::Phase::running;
  happened(Happened::Type::engine_started, {}, id);
}

void Core::State::engine_stopped(DeviceId id) {
  EngineState& engine = devices_.at(id).engine;
  if (engine.phase != EngineState::Phase::stopping) return;
  engine.phase = EngineState::Phase::stopped;
  residency_.clear_residual(id);
}

void Core::State::engine_lost(DeviceId id, std::optional<Time> retry_at, std::string reason) {
  EngineState& engine = devices_.at(id).engine;
  engine.phase = retry_at ? EngineState::Phase::backoff : EngineState::Phase::failed;
  engine.retry_at = retry_at.value_or(Time{0});
  engine.idle_since.reset();
  engine.reason = reason.empty() ? "the engine was lost" : std::move(reason);
  residency_.clear_residual(id);
  happened(retry_at ? Happened::Type::engine_lost : Happened::Type::device_failed, {}, id, 0,
           Time{0}, engine.reason);
  lose_fills(id);
  for (const ResidentId resident : residency_.on(id)) lose(resident, engine.reason);
  if (!retry_at) recheck_waiters();
}

void Core::State::lose(ResidentId id, const std::string& reason) {
  Resident& resident = *residency_.find(id);
  for (auto& [lease_id, lease] : leases_.all()) {
    if (lease.resident != id && lease.adapter != id) continue;
    unbind(lease);
    emit(Suspended{lease_id});
    happened(Happened::Type::suspended, lease.model, resident.device, 0, Time{0}, reason,
             lease.uid);
  }
  const bool blamed = resident.state == Resident::State::loading && !resident.cancelled &&
                      ++losses_[resident.weights] > kMaxRetries;
  for (const RequestId request : claimers(id)) {
    if (!blamed) {
      throw_back(*queue_.find(request));
      continue;
    }
    drop_waiter(request);
    refuse(request, {.code = Refusal::Code::device, .model = resident.model, .reason = reason});
  }
  if (blamed) {
    losses_.erase(resident.weights);
    for (auto& [model, entry] : catalog_.all()) {
      if (!entry.needs(resident.weights)) continue;
      entry.error = reason;
      entry.preload_pending = false;
    }
  }
  if (resident.state == Resident::State::unloading) {
    // The end of its process has freed everything.
    ReleaseReport report{.outcome = ReleaseReport::Outcome::freed,
                         .expected_bytes = resident.need.total(),
                         .freed_bytes = resident.need.total(),
                         .unload_time = now_ - resident.since};
    answer_unload(resident, report);
  }
  remove_resident(id);
}

void Core::State::load_progress(ResidentId id, float fraction) {
  Resident* resident = residency_.find(id);
  if (resident == nullptr || resident->state != Resident::State::loading) return;
  resident->fraction = std::clamp(fraction, resident->fraction, 1.0F);
}

void Core::State::load_done(ResidentId id, const Need& measured, bool image_complete) {
  Resident* resident = residency_.find(id);
  if (resident == nullptr || resident->state != Resident::State::loading) return;
  const Time took = now_ - resident->since;
  const HostImage image = resident->image;
  catalog_.learn(resident->weights, resident->context_tokens, resident->need, measured.total());
  if (!resident->is_adapter)
    history_.loaded(resident->image == HostImage::use, measured.tensor_bytes, took);
  const bool mapped = devices_.at(resident->device).spec.maps_images;
  if (resident->image == HostImage::fill) finish_fill(*resident, image_complete);
  if (!mapped) release_image(*resident);
  residency_.become_ready(now_, *resident, measured);
  losses_.erase(resident->weights);
  for (auto& [model, entry] : catalog_.all()) {
    if (!entry.needs(resident->weights)) continue;
    entry.error.clear();
    if (resident->is_adapter || !entry.spec->adapter) entry.preload_pending = false;
    if (resident->is_adapter) continue;
    entry.was_loaded = true;
    entry.load = ModelRow::LastLoad{took, measured.total()};
  }
  emit(Happened{.type = Happened::Type::loaded,
                .model = resident->model,
                .device = resident->device,
                .bytes = resident->bytes(),
                .took = took,
                .is_adapter = resident->is_adapter,
                .image = image});
  resident->kept_for[resident->model] = now_;
  bind_suspended(*resident);
}

void Core::State::load_failed(ResidentId id, const std::string& reason, bool model_is_bad) {
  Resident* resident = residency_.find(id);
  if (resident == nullptr || resident->state != Resident::State::loading) return;
  if (!resident->cancelled) {
    const auto code = model_is_bad ? Refusal::Code::model_bad : Refusal::Code::device;
    for (auto& [model, entry] : catalog_.all()) {
      if (!entry.needs(resident->weights)) continue;
      entry.error = reason;
      entry.preload_pending = false;
    }
    happened(Happened::Type::load_failed, resident->model, resident->device, 0,
             now_ - resident->since, reason);
    for (const RequestId request : queue_.requests()) {
      const Waiter& waiter = *queue_.find(request);
      const bool claims =
          std::find(waiter.residents.begin(), waiter.residents.end(), id) != waiter.residents.end();
      const auto named = std::find_if(waiter.models.begin(), waiter.models.end(),
                                      [&](ModelId model) { return serves(*resident, model); });
      // Bad files are bad for everybody who waits for them; a lack of memory only for who was
      // loading.
      if (!claims && (!model_is_bad || named == waiter.models.end())) continue;
      Refusal refusal{.code = code, .model = *named, .reason = reason};
      drop_waiter(request);
      refuse(request, std::move(refusal));
    }
  }
  remove_resident(id);
}

void Core::State::unload_done(ResidentId id, Bytes expected, Bytes freed, Bytes residual) {
  const Resident* found = residency_.find(id);
  if (found == nullptr || found->state != Resident::State::unloading) return;
  const Resident resident = *found;
  if (!resident.is_adapter) history_.unloaded(resident.need.total(), now_ - resident.since);
  emit(Happened{.type = Happened::Type::unloaded,
                .model = resident.model,
                .device = resident.device,
                .bytes = freed,
                .took = now_ - resident.since,
                .is_adapter = resident.is_adapter,
                .residual_bytes = residual});
  const ReleaseReport report{.outcome = ReleaseReport::Outcome::freed,
                             .expected_bytes = expected,
                             .freed_bytes = freed,
                             .residual_bytes = residual,
                             .unload_time = now_ - resident.since};
  remove_resident(id);
  if (residual > config_.residual_threshold_bytes) {
    // It cannot be more than was held, whatever the engine says.
    residency_.add_residual(resident.device, std::min(residual, resident.need.total()));
    happened(Happened::Type::residual, resident.model, resident.device, residual, Time{0},
             "did not come back from its unload");
  }
  answer_unload(resident, report);
}

void Core::State::answer_unload(const Resident& resident, const ReleaseReport& report) {
  const bool leaked = report.residual_bytes > config_.residual_threshold_bytes;
  for (auto& [model, entry] : catalog_.all()) {
    if (!entry.needs(resident.weights)) continue;
    if (!resident.is_adapter)
      entry.unload = ModelRow::LastUnload{report.unload_time, report.expected_bytes,
                                          report.freed_bytes, report.residual_bytes};
    if (leaked) {
      entry.error =
          std::to_string(report.residual_bytes) + " bytes did not come back from its last unload";
    }
  }
  if (mutated(Mutation::forget_release)) return;
  for (const auto& release : resident.releases) {
    PendingUnloads& pending = unloads_.at(release.request);
    add(report, pending.report);
    if (--pending.left != 0) continue;
    ReleaseReport all = pending.report;
    all.outcome = pending.weights_stay.value_or(all.outcome);
    unloads_.erase(release.request);
    if (all.residual_bytes <= config_.residual_threshold_bytes) {
      emit(Released{release.request, all});
    } else {
      refuse(release.request,
             {.code = Refusal::Code::residual, .model = release.model, .report = all});
    }
  }
}

}  // namespace gpumodel::core

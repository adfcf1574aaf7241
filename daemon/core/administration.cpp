// What administrators ask for.
#include <algorithm>

#include "core/mutation.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

void Core::State::unload(RequestId request, ModelId model, bool force, SessionId session) {
  const ModelEntry* entry = catalog_.find(model);
  if (entry == nullptr || !entry->spec)
    return refuse(request, {.code = Refusal::Code::no_model, .model = model});
  const auto busy = [&](const char* reason) {
    refuse(request, {.code = Refusal::Code::busy, .model = model, .reason = reason});
  };
  std::vector<ResidentId> there;
  for (const auto& [id, resident] : residency_.all()) {
    if (!entry->needs(resident.weights)) continue;
    if (is_pinned(resident)) return busy("pinned; unpin it first");
    there.push_back(id);
    if (force) continue;
    if (resident.leases != 0) return busy("leased; release its leases, or unload it with force");
    if (resident.claims != 0)
      return busy("being loaded for somebody; wait, or unload it with force");
  }
  if (force) {
    std::vector<LeaseId> leases;
    for (const auto& [id, lease] : leases_.all()) {
      if (lease.model == model) leases.push_back(id);
    }
    for (const LeaseId lease : leases) revoke(lease, "its model was unloaded by an administrator");
  }
  unload_all(PendingRelease{request, session, model, {}, {}}, there);
}

void Core::State::unload_all(PendingRelease answer, const std::vector<ResidentId>& residents) {
  std::uint32_t leased = 0;
  std::vector<ResidentId> going;
  for (const ResidentId id : residents) {
    Resident& resident = *residency_.find(id);
    leased += resident.leases;
    if (resident.leases != 0) continue;
    for (const RequestId claimer : claimers(id)) throw_back(*queue_.find(claimer));
    resident.kept_for.clear();
    resident.preloaded = false;
    if (resident.state == Resident::State::ready)
      evict(resident, "unloaded by an administrator");
    else if (resident.state != Resident::State::unloading)
      continue;
    going.push_back(id);
  }
  if (!going.empty()) return answer_after_unloads(answer, going);
  ReleaseReport report;
  report.outcome =
      leased != 0 ? ReleaseReport::Outcome::still_leased : ReleaseReport::Outcome::kept;
  report.remaining_leases = leased;
  emit(Released{answer.request, report});
}

void Core::State::pin(ModelId model, bool pinned) {
  ModelEntry* entry = catalog_.find(model);
  if (entry == nullptr || entry->removed || entry->pinned == pinned) return;
  entry->pinned = pinned;
  happened(pinned ? Happened::Type::pinned : Happened::Type::unpinned, model);
}

void Core::State::yield(const YieldRequest& request) {
  const auto device = devices_.find(request.device);
  if (device == devices_.end() || device->second.engine.phase == EngineState::Phase::failed) {
    return refuse(request.request, {.code = Refusal::Code::device, .reason = "no usable device"});
  }
  const Bytes capacity = residency_.ledger(request.device).capacity_bytes();
  if (request.bytes > capacity) {
    return refuse(request.request, {.code = Refusal::Code::never_fits,
                                    .needed_bytes = request.bytes,
                                    .missing_bytes = request.bytes - capacity,
                                    .capacity_bytes = capacity});
  }
  const Time wait = std::clamp(request.wait.value_or(config_.max_wait), Time{0}, config_.max_wait);
  yields_.add(request, now_ + wait);
  book_yields(request.device);
}

void Core::State::book_yields(DeviceId device) {
  residency_.set_yielded(device, yields_.bytes_on(device));
}

void Core::State::unyield(YieldId id) {
  if (yields_.find(id) != nullptr) end_yield(id, "it was given back");
}

void Core::State::end_yield(YieldId id, const std::string& reason) {
  const Yield yield = *yields_.find(id);
  yields_.remove(id);
  book_yields(yield.wish.device);
  if (yield.answered)
    happened(Happened::Type::unyielded, {}, yield.wish.device, yield.wish.bytes, Time{0}, reason);
}

void Core::State::close_yields(SessionId session) {
  std::vector<YieldId> over;
  for (const auto& [id, yield] : yields_.all()) {
    if (yield.wish.session == session && (!yield.answered || !yield.until)) over.push_back(id);
  }
  for (const YieldId id : over) end_yield(id, "its connection was closed");
}

bool Core::State::answer_yields() {
  bool changed = false;
  for (auto next = yields_.all().begin(); next != yields_.all().end();) {
    Yield& yield = (next++)->second;
    const YieldRequest& wish = yield.wish;
    if (yield.answered) {
      if (!yield.until || *yield.until > now_ || mutated(Mutation::forget_yield_end)) continue;
      end_yield(yield.id, "its time is over");
      changed = true;
      continue;
    }
    if (residency_.ledger(wish.device).yields_are_free() || mutated(Mutation::yield_early)) {
      yield.answered = true;
      if (wish.duration) yield.until = now_ + *wish.duration;
      emit(Yielded{wish.request, yield.id, wish.device, wish.bytes, yield.until});
      happened(Happened::Type::yielded, {}, wish.device, wish.bytes, Time{0},
               "kept free for other programs", sessions_.at(wish.session).uid);
    } else if (yield.deadline <= now_) {
      refuse(wish.request, {.code = Refusal::Code::busy});
      end_yield(yield.id, "");
      changed = true;
    }
  }
  return changed;
}

void Core::State::revoke(LeaseId id, const std::string& reason) {
  const Lease* lease = leases_.find(id);
  if (lease == nullptr) return;
  const Resident* resident = residency_.find(lease->resident);
  happened(Happened::Type::revoked, lease->model, resident ? resident->device : DeviceId{}, 0,
           now_ - lease->since, reason, lease->uid);
  emit(LeaseEnded{id, reason});
  end_lease(id);
}

void Core::State::drain(bool on) {
  if (draining_ != on)
    happened(Happened::Type::draining, {}, {}, 0, Time{0}, on ? "the daemon" : "no longer");
  draining_ = on;
}

void Core::State::drain_device(DeviceId id, bool on) {
  const auto found = devices_.find(id);
  if (found == devices_.end() || found->second.draining == on) return;
  found->second.draining = on;
  happened(Happened::Type::draining, {}, id, 0, Time{0}, on ? "this device" : "no longer");
  if (!on) return;
  for (const ResidentId resident : residency_.on(id)) {
    if (residency_.find(resident)->state != Resident::State::planned) continue;
    for (const RequestId request : claimers(resident)) throw_back(*queue_.find(request));
    remove_resident(resident);
  }
}

}  // namespace gpumodel::core

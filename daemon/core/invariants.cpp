// What holds after every event, whatever it was.
#include <algorithm>

#include "core/require.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

void Core::State::check_invariants() const {
  residency_.check();
  images_.check();
  leases_.check();
  std::map<ResidentId, std::uint32_t> leases;
  std::map<ResidentId, std::uint32_t> claims;
  for (const auto& [id, lease] : leases_.all()) {
    require(sessions_.at(lease.session).leases.count(id) == 1, "a lease is its session's");
    if (!lease.resident) {
      require(!lease.adapter, "a lease is suspended as a whole");
      continue;
    }
    const auto& adapter = catalog_.find(lease.model)->spec->adapter;
    require(static_cast<bool>(lease.adapter) == adapter.has_value(), "a lease has its adapter");
    for (const ResidentId bound : {lease.resident, lease.adapter}) {
      if (!bound) continue;
      const Resident* resident = residency_.find(bound);
      require(resident != nullptr && resident->state == Resident::State::ready,
              "a lease that is not suspended has ready residents");
      require(serves(*resident, lease.model), "a lease has its own model");
      require(resident->device == residency_.find(lease.resident)->device,
              "an adapter is beside its weights");
      ++leases[bound];
    }
  }
  std::size_t waiting = 0;
  for (const auto& [order, waiter] : queue_.all()) {
    require(sessions_.at(waiter.session).waiting.count(waiter.request) == 1,
            "a waiter is its session's");
    require(
        waiter.admitted() || !waiter.deadline || *waiter.deadline > now_ || waiter.awaits_reading,
        "nobody waits too long");
    if (waiter.lease) {
      const Lease& lease = leases_.all().at(waiter.lease);
      require(!lease.resident || (over_hold(lease) && contended(lease)),
              "no use waits for what is there");
    }
    require(waiter.overtaken <= kMaxOvertaken, "overtaking is bounded");
    bool all_ready = waiter.admitted();
    for (const ResidentId id : waiter.residents) {
      const Resident* resident = residency_.find(id);
      require(resident != nullptr && resident->joinable(), "what was admitted is there or comes");
      all_ready = all_ready && resident->state == Resident::State::ready;
      ++claims[id];
    }
    require(!all_ready, "what can be granted is granted");
  }
  for (const auto& [id, session] : sessions_) waiting += session.waiting.size();
  require(waiting == queue_.all().size(), "sessions know their waiters");
  std::map<WeightsId, std::uint32_t> mapped;
  for (const auto& [id, resident] : residency_.all()) {
    if (resident.image != HostImage::none) ++mapped[resident.weights];
    require(resident.leases == leases[id], "the leases of a resident add up");
    require(resident.claims == claims[id], "the claims of a resident add up");
    const EngineState::Phase phase = devices_.at(resident.device).engine.phase;
    const bool held = resident.state != Resident::State::planned;
    require(!held || phase == EngineState::Phase::running, "memory is held by a running engine");
    require(phase != EngineState::Phase::failed, "nothing is planned on a failed device");
  }
  for (const auto& [weights, image] : images_.all()) {
    if (image.filled_on) ++mapped[weights];
    require(image.users == mapped[weights], "the users of an image add up");
    mapped.erase(weights);
  }
  require(
      std::all_of(mapped.begin(), mapped.end(), [](const auto& one) { return one.second == 0; }),
      "what is mapped is in the host cache");
  for (const auto& [id, device] : devices_)
    require(residency_.ledger(id).yielded_bytes() == yields_.bytes_on(id), "yields are booked");
}

}  // namespace gpumodel::core

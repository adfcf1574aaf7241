#include "core/residency.hpp"

#include <utility>

#include "core/mutation.hpp"
#include "core/require.hpp"

namespace gpumodel::core {

void Residency::add_device(const DeviceSpec& device) {
  const auto [it, fresh] = ledgers_.try_emplace(device.id, device);
  if (!fresh && it->second.empty()) it->second.resize(device);
}

Resident& Residency::plan(Time now, Resident resident) {
  resident.id = ResidentId{++last_id_};
  resident.state = Resident::State::planned;
  resident.since = now;
  resident.last_used = now;
  const bool fresh =
      places_.emplace(std::pair(resident.weights, resident.device), resident.id).second;
  require(fresh, "weights are on a device once");
  ledgers_.at(resident.device).plan(resident.id, resident.bytes());
  return residents_.emplace(resident.id, std::move(resident)).first->second;
}

void Residency::start_loading(Time now, Resident& resident) {
  require(resident.state == Resident::State::planned, "only a planned resident is loaded");
  ledgers_.at(resident.device).hold(resident.id);
  resident.state = Resident::State::loading;
  resident.since = now;
}

void Residency::become_ready(Time now, Resident& resident, const Need& measured) {
  require(resident.state == Resident::State::loading, "only a load makes ready");
  ledgers_.at(resident.device).measure(resident.id, measured.total());
  resident.need = measured;
  resident.surplus_bytes = 0;
  resident.state = Resident::State::ready;
  resident.cancelled = false;
  resident.fraction = 1;
  resident.since = now;
  resident.last_used = now;
}

void Residency::start_unloading(Time now, Resident& resident) {
  require(resident.state == Resident::State::ready, "only what is ready is unloaded");
  require(resident.idle() || mutated(Mutation::evict_leased),
          "nothing that is leased or claimed is unloaded");
  resident.state = Resident::State::unloading;
  resident.since = now;
}

void Residency::remove(ResidentId id) {
  const auto found = residents_.find(id);
  require(found != residents_.end(), "a resident goes once");
  ledgers_.at(found->second.device).free(id);
  places_.erase({found->second.weights, found->second.device});
  residents_.erase(found);
}

Resident* Residency::find(ResidentId resident) {
  const auto found = residents_.find(resident);
  return found == residents_.end() ? nullptr : &found->second;
}

const Resident* Residency::find(ResidentId resident) const {
  const auto found = residents_.find(resident);
  return found == residents_.end() ? nullptr : &found->second;
}

const Resident* Residency::at(WeightsId weights, DeviceId device) const {
  const auto found = places_.find({weights, device});
  return found == places_.end() ? nullptr : find(found->second);
}

std::vector<ResidentId> Residency::on(DeviceId device) const {
  std::vector<ResidentId> ids;
  for (const auto& [id, resident] : residents_) {
    if (resident.device == device) ids.push_back(id);
  }
  return ids;
}

bool Residency::any_of(WeightsId weights) const {
  const auto first = places_.lower_bound({weights, DeviceId{0}});
  return first != places_.end() && first->first.first == weights;
}

void Residency::check() const {
  for (const auto& [device, ledger] : ledgers_) ledger.check();
  require(places_.size() == residents_.size(), "every resident has its place");
  for (const auto& [id, resident] : residents_) {
    const bool ready = resident.state == Resident::State::ready;
    require(ready || resident.leases == 0, "only what is ready is leased");
    require(resident.state != Resident::State::unloading || resident.claims == 0,
            "what is being unloaded gets no new work");
    require(resident.releases.empty() || resident.state == Resident::State::unloading,
            "a release waits for nothing but an unload");
  }
}

}  // namespace gpumodel::core

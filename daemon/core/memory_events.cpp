// What the probe and the host cache report.
#include <algorithm>
#include <utility>

#include "core/state.hpp"

namespace gpumodel::core {
namespace {

// How often foreign memory is read while somebody waits for it.
constexpr Time kPollForeign{500};

}  // namespace

void Core::State::memory_read(DeviceId id, std::optional<Bytes> foreign_bytes) {
  const auto found = devices_.find(id);
  if (found == devices_.end() || !found->second.reading_since) return;
  Device& device = found->second;
  device.read_at = std::exchange(device.reading_since, std::nullopt);
  device.fresh = true;
  device.poll_at = now_ + kPollForeign;
  if (!foreign_bytes) return;
  const Bytes before = residency_.ledger(id).budget_without_yields();
  residency_.set_foreign(id, *foreign_bytes);
  if (residency_.ledger(id).budget_without_yields() == before) return;
  happened(Happened::Type::foreign, {}, id, *foreign_bytes, Time{0},
           "other programs hold this much");
}

bool Core::State::waits_for_foreign(DeviceId id) const {
  const Ledger& ledger = residency_.ledger(id);
  if (ledger.budget_without_yields() == ledger.full_budget_bytes()) return false;
  if (yields_.any_waiting_on(id)) return true;
  for (const auto& [order, waiter] : queue_.all()) {
    if (!waiter.admitted() &&
        std::binary_search(waiter.devices.begin(), waiter.devices.end(), id)) {
      return true;
    }
  }
  return false;
}

void Core::State::poll_foreign() {
  for (auto& [id, device] : devices_) {
    device.fresh = false;
    if (device.engine.phase == EngineState::Phase::failed) continue;
    if (now_ >= device.poll_at && waits_for_foreign(id)) want_reading(device);
  }
}

void Core::State::image_filled(WeightsId weights) {
  HostCache::Image* image = images_.find(weights);
  if (image == nullptr || !image->filled_on) return;
  image->filled_on.reset();
  image->state = HostCache::Image::State::complete;
  images_.unuse(weights, now_);
  happened(Happened::Type::image_filled, catalog_.any_of(weights), {}, image->bytes);
}

void Core::State::image_failed(WeightsId weights, const std::string& reason) {
  const HostCache::Image* image = images_.find(weights);
  if (image == nullptr || !image->filled_on) return;
  drop_image(weights, reason);
}

void Core::State::image_lost(WeightsId weights) {
  const HostCache::Image* image = images_.find(weights);
  if (image == nullptr || image->filled_on) return;
  for (auto& [id, resident] : residency_.all()) {
    if (resident.weights == weights) resident.image = HostImage::none;
  }
  drop_image(weights, "it is not what was written");
}

void Core::State::host_pressure(Bytes bytes) {
  for (const WeightsId weights : images_.unused(bytes))
    drop_image(weights, "the machine is short of memory");
}

}  // namespace gpumodel::core

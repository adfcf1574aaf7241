// Images in the host cache, and what is loaded before anybody asks for it.
#include <algorithm>
#include <utility>

#include "core/mutation.hpp"
#include "core/state.hpp"

namespace gpumodel::core {

Bytes Core::State::image_bytes(WeightsId weights) const {
  const ModelEntry* entry = catalog_.find(catalog_.any_of(weights));
  if (entry == nullptr) return 0;
  return entry->spec->image_bytes != 0 ? entry->spec->image_bytes : entry->spec->tensor_bytes;
}

bool Core::State::make_room_in_host_cache(Bytes bytes) {
  const auto going = images_.room_for(bytes);
  if (!going) return mutated(Mutation::overfill_host_cache);
  for (const WeightsId weights : *going) drop_image(weights, "another image takes its place");
  return true;
}

HostImage Core::State::image_for(const Resident& resident) {
  if (resident.is_adapter) return HostImage::none;
  const WeightsId weights = resident.weights;
  if (images_.complete(weights)) {
    images_.use(weights, now_);
    return HostImage::use;
  }
  const Bytes bytes = image_bytes(weights);
  if (bytes == 0 || images_.find(weights) != nullptr || !make_room_in_host_cache(bytes))
    return HostImage::none;
  images_.add(weights, bytes, now_);
  return HostImage::fill;
}

void Core::State::finish_fill(Resident& resident, bool complete) {
  HostCache::Image* image = images_.find(resident.weights);
  if (complete || mutated(Mutation::keep_torn_image)) {
    image->state = HostCache::Image::State::complete;
    happened(Happened::Type::image_filled, resident.model, resident.device, image->bytes);
    return;
  }
  resident.image = HostImage::none;
  drop_image(resident.weights, "its load did not complete it");
}

void Core::State::release_image(Resident& resident) {
  const HostImage image = std::exchange(resident.image, HostImage::none);
  if (image == HostImage::none) return;
  if (image == HostImage::fill && !images_.complete(resident.weights)) {
    if (!mutated(Mutation::keep_torn_image))
      return drop_image(resident.weights, "its load did not complete it");
    images_.find(resident.weights)->state = HostCache::Image::State::complete;
  }
  images_.unuse(resident.weights, now_);
}

void Core::State::drop_image(WeightsId weights, const std::string& reason) {
  happened(Happened::Type::image_dropped, catalog_.any_of(weights), {},
           images_.find(weights)->bytes, Time{0}, reason);
  images_.erase(weights);
  emit(DropImage{weights});
}

bool Core::State::fills_on(DeviceId device) const {
  return std::any_of(images_.all().begin(), images_.all().end(),
                     [&](const auto& image) { return image.second.filled_on == device; });
}

void Core::State::lose_fills(DeviceId device) {
  std::vector<WeightsId> lost;
  for (const auto& [weights, image] : images_.all()) {
    if (image.filled_on == device) lost.push_back(weights);
  }
  for (const WeightsId weights : lost) drop_image(weights, "its engine was lost");
}

void Core::State::stop_unwanted_fills() {
  const std::vector<ModelId> soon = prefetches_.models(now_);
  for (auto& [weights, image] : images_.all()) {
    if (!image.filled_on || image.cancelled) continue;
    const bool wanted = std::any_of(soon.begin(), soon.end(), [&](ModelId model) {
      const ModelEntry* entry = catalog_.find(model);
      return entry != nullptr && entry->spec && entry->spec->weights == weights;
    });
    if (wanted) continue;
    image.cancelled = true;
    emit(CancelFill{weights});
  }
}

void Core::State::prefetch(RequestId request, SessionId session,
                           const std::vector<ModelId>& models) {
  if (draining_) return refuse(request, {.code = Refusal::Code::draining});
  for (const ModelId model : models) {
    if (auto refusal = impossible({model}, false)) return refuse(request, *refusal);
  }
  Prefetched answer{request, {}};
  for (const ModelId model : models) {
    prefetches_.want(session, model, now_);
    Prefetched::Row row{model, std::nullopt, Tier::disk, Prefetched::Row::Action::none};
    const ModelEntry& entry = *catalog_.find(model);
    const Resident* resident = resident_of(entry);
    row.residency = residency_now(entry);
    if (resident != nullptr) row.device = resident->device;
    const bool coming = resident != nullptr && resident->joinable();
    const bool going = resident != nullptr && !coming;
    const auto planned = going ? std::vector<ResidentId>{} : load_without_eviction(model);
    if (!planned.empty()) {
      row.device = residency_.find(planned.front())->device;
      row.action = Prefetched::Row::Action::load;
    } else if (!coming) {
      fill_soon(model, row);
    }
    happened(Happened::Type::prefetch, model, row.device.value_or(DeviceId{}), 0, Time{0},
             row.action == Prefetched::Row::Action::load   ? "it is loaded, since there is room"
             : row.action == Prefetched::Row::Action::host ? "it is read into the host cache"
                                                           : "it stays where it is",
             sessions_.at(session).uid);
    answer.rows.push_back(row);
  }
  emit(std::move(answer));
}

std::vector<ResidentId> Core::State::load_without_eviction(ModelId model) {
  const std::vector<PlanItem> items = catalog_.needed({model}).items;
  std::vector<PlanDevice> devices = plan_devices(now_);
  for (const auto& [order, waiter] : queue_.all()) {
    if (waiter.admitted()) continue;
    for (PlanDevice& device : devices)
      device.closed |= std::binary_search(waiter.devices.begin(), waiter.devices.end(), device.id);
  }
  const auto plan = make_plan_without_eviction(devices, items);
  std::vector<ResidentId> planned;
  for (std::size_t i = 0; plan && i < items.size(); ++i) {
    const Plan::Place& place = plan->places[i];
    if (!place.resident)
      planned.push_back(plan_resident(items[i].weights, place.device, {model}).id);
  }
  return planned;
}

void Core::State::fill_soon(ModelId model, Prefetched::Row& row) {
  const ModelEntry& entry = *catalog_.find(model);
  const WeightsId weights = entry.spec->weights;
  const Bytes bytes = image_bytes(weights);
  if (bytes == 0 || images_.find(weights) != nullptr) return;
  // An engine reads it; none is started for that alone.
  const auto running = std::find_if(entry.fits_on.begin(), entry.fits_on.end(), [&](DeviceId id) {
    return devices_.at(id).engine.phase == EngineState::Phase::running;
  });
  if (running == entry.fits_on.end() || !make_room_in_host_cache(bytes)) return;
  images_.add(weights, bytes, now_).filled_on = *running;
  emit(FillImage{*running, weights, model, bytes});
  row.action = Prefetched::Row::Action::host;
}

void Core::State::preload() {
  for (auto& [id, entry] : catalog_.all()) {
    if (!entry.preload_pending || entry.removed || !entry.bad_reason.empty() || draining_) continue;
    const auto& adapter = entry.spec->adapter;
    const bool there =
        residency_.any_of(entry.spec->weights) && (!adapter || residency_.any_of(adapter->id));
    if (entry.fits_on.empty() || there) continue;
    for (const ResidentId planned : load_without_eviction(id))
      residency_.find(planned)->preloaded = true;
  }
}

Tier Core::State::residency_now(const ModelEntry& entry) const {
  const Resident* resident = resident_of(entry);
  if (resident != nullptr && resident->state == Resident::State::ready) return Tier::device;
  return entry.spec && images_.complete(entry.spec->weights) ? Tier::host : Tier::disk;
}

}  // namespace gpumodel::core

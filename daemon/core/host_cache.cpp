#include "core/host_cache.hpp"

#include <algorithm>

#include "core/mutation.hpp"
#include "core/require.hpp"

namespace gpumodel::core {

std::vector<WeightsId> HostCache::oldest_first() const {
  std::vector<WeightsId> ids;
  for (const auto& [id, image] : images_) {
    if (image.users == 0 || mutated(Mutation::drop_used_image)) ids.push_back(id);
  }
  std::stable_sort(ids.begin(), ids.end(), [&](WeightsId a, WeightsId b) {
    return images_.at(a).last_used < images_.at(b).last_used;
  });
  return ids;
}

std::optional<std::vector<WeightsId>> HostCache::room_for(Bytes bytes) const {
  if (bytes > capacity_bytes_) return std::nullopt;
  const Bytes keep = capacity_bytes_ - bytes;
  if (used_bytes_ <= keep) return std::vector<WeightsId>{};
  const std::vector<WeightsId> going = unused(used_bytes_ - keep);
  Bytes freed = 0;
  for (const WeightsId id : going) freed += images_.at(id).bytes;
  if (freed < used_bytes_ - keep) return std::nullopt;
  return going;
}

std::vector<WeightsId> HostCache::unused(Bytes bytes) const {
  std::vector<WeightsId> going;
  Bytes freed = 0;
  for (const WeightsId id : oldest_first()) {
    if (freed >= bytes) break;
    freed += images_.at(id).bytes;
    going.push_back(id);
  }
  return going;
}

HostCache::Image& HostCache::add(WeightsId weights, Bytes bytes, Time now) {
  require(used_bytes_ <= capacity_bytes_ && bytes <= capacity_bytes_ - used_bytes_,
          "an image fits the host cache");
  const auto [image, fresh] = images_.emplace(weights, Image{});
  require(fresh, "weights have one image");
  image->second.bytes = bytes;
  image->second.users = 1;
  image->second.last_used = now;
  used_bytes_ += bytes;
  return image->second;
}

void HostCache::use(WeightsId weights, Time now) {
  Image& image = images_.at(weights);
  ++image.users;
  image.last_used = now;
}

void HostCache::unuse(WeightsId weights, Time now) {
  Image* image = find(weights);
  if (image == nullptr) return;
  require(image->users > 0, "the users of an image add up");
  --image->users;
  image->last_used = now;
}

void HostCache::erase(WeightsId weights) {
  const auto found = images_.find(weights);
  require(found != images_.end(), "an image goes once");
  used_bytes_ -= found->second.bytes;
  images_.erase(found);
}

HostCache::Image* HostCache::find(WeightsId weights) {
  const auto found = images_.find(weights);
  return found == images_.end() ? nullptr : &found->second;
}

const HostCache::Image* HostCache::find(WeightsId weights) const {
  const auto found = images_.find(weights);
  return found == images_.end() ? nullptr : &found->second;
}

bool HostCache::complete(WeightsId weights) const {
  const Image* image = find(weights);
  return image != nullptr && image->state == Image::State::complete;
}

void HostCache::check() const {
  Bytes used = 0;
  for (const auto& [id, image] : images_) {
    used += image.bytes;
    require(image.state == Image::State::complete || image.users > 0,
            "an image is filled by somebody");
  }
  require(used == used_bytes_, "the images of the host cache add up");
}

}  // namespace gpumodel::core

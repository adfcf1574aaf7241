// Which weights have an image in the host's memory. Books only; the broker owns the bytes. A pure value.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/types.hpp"

namespace gpumodel::core {

class HostCache {
 public:
  struct Image {
    enum class State { filling, complete };
    State state = State::filling;
    Bytes bytes = 0;
    std::uint32_t users = 0;  // loads, fills and residents that have it mapped
    Time last_used{0};
    std::optional<DeviceId> filled_on;  // by a fill without a load; its engine reads it
    bool cancelled = false;             // that fill
  };

  Bytes capacity_bytes() const { return capacity_bytes_; }
  Bytes used_bytes() const { return used_bytes_; }
  void set_capacity(Bytes bytes) { capacity_bytes_ = bytes; }

  // Which images would have to go, least recently used first, for this much more; nullopt: it cannot
  // be made to fit, since only images that nothing uses may go.
  std::optional<std::vector<WeightsId>> room_for(Bytes bytes) const;
  // Images that nothing uses, least recently used first, until they make up this much or no more is
  // there.
  std::vector<WeightsId> unused(Bytes bytes) const;

  // A new image, filling, with one user. There must be none of these weights, and room.
  Image& add(WeightsId weights, Bytes bytes, Time now);
  void use(WeightsId weights, Time now);
  // Images that were erased meanwhile are left alone.
  void unuse(WeightsId weights, Time now);
  void erase(WeightsId weights);

  Image* find(WeightsId weights);
  const Image* find(WeightsId weights) const;
  bool complete(WeightsId weights) const;
  std::map<WeightsId, Image>& all() { return images_; }
  const std::map<WeightsId, Image>& all() const { return images_; }
  void check() const;

 private:
  std::vector<WeightsId> oldest_first() const;

  Bytes capacity_bytes_ = 0;
  Bytes used_bytes_ = 0;
  std::map<WeightsId, Image> images_;
};

}  // namespace gpumodel::core

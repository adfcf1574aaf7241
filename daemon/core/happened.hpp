// What the core decided and what it saw, for people: the one source of the daemon's events and of
// the decisions that `why` tells.
#pragma once

#include <optional>
#include <string>

#include "core/types.hpp"

namespace gpumodel::core {

struct Happened {
  enum class Type {
    queued, granted, refused, released, loading, loaded, load_failed, evicting, suspended, resumed,
    unloading, unloaded, residual, engine_started, engine_lost, device_failed, foreign, image_filled,
    image_dropped, pinned, unpinned, yielded, unyielded, draining, revoked, prefetch
  };
  Type type = Type::queued;
  ModelId model{};    // none: about no model
  DeviceId device{};  // none: about no device
  std::optional<std::uint32_t> uid{};
  Bytes bytes = 0;
  Time took{0};
  std::string reason{};  // in words, without another user's data
  bool is_adapter = false;            // loaded, unloaded: an adapter, not weights
  HostImage image = HostImage::none;  // loaded: what the load did with an image
  Bytes residual_bytes = 0;           // unloaded: what did not come back
};

}  // namespace gpumodel::core

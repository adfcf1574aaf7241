// Values that the decision core speaks in. No I/O, no clock, no wire types.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace gpumodel::core {

// Since the daemon started; every event carries it. The core never asks for the time.
using Time = std::chrono::milliseconds;
using Bytes = std::uint64_t;

// A number that cannot be mistaken for another kind of number. 0 is none.
template <class Tag>
struct Id {
  std::uint64_t value = 0;
  auto operator<=>(const Id&) const = default;
  explicit operator bool() const { return value != 0; }
};

using SessionId = Id<struct SessionTag>;    // one connection of a client
using RequestId = Id<struct RequestTag>;    // one acquire or release that is to be answered, never reused
using LeaseId = Id<struct LeaseTag>;
using ModelId = Id<struct ModelTag>;        // one configured model
using WeightsId = Id<struct WeightsTag>;    // one identity of weights, or of an adapter
using ResidentId = Id<struct ResidentTag>;  // one load of weights on one device, never reused
using DeviceId = Id<struct DeviceTag>;
using YieldId = Id<struct YieldTag>;  // bytes of a device kept free for other programs

// What weights take on a device, from headers and configuration; later as measured.
struct Need {
  Bytes tensor_bytes = 0;
  Bytes kv_bytes = 0;
  Bytes workspace_bytes = 0;
  Bytes total() const { return tensor_bytes + kv_bytes + workspace_bytes; }
  bool operator==(const Need&) const = default;
};

struct AutoUnload {
  enum class Kind { at_last_release, when_needed, after };
  Kind kind = Kind::at_last_release;
  Time after{0};  // Kind::after only
};

struct DeviceSpec {
  DeviceId id;
  std::string name;
  Bytes capacity_bytes = 0;
  Bytes reserve_bytes = 0;  // kept free for other programs; part of the capacity
  bool maps_images = true;  // what is resident has its host image mapped, if it came from one (a CPU)
};

// How a model is treated, whatever its weights; holds at once when the configuration changes.
struct ModelPolicy {
  AutoUnload auto_unload;
  std::optional<Time> idle_grace{30'000};  // how long a lease is idle before it may be suspended; nullopt: never
  bool pinned = false;   // its weights stay on the device once they are there
  bool preload = false;  // loaded as soon as there is room, without evicting anything
};

// An adapter over a model's weights. In memory it is a resident of its own on the device of the weights:
// it loads and unloads alone, and its bytes are booked like theirs.
struct AdapterSpec {
  WeightsId id;     // equal for models that share it
  Bytes bytes = 0;
};

// A model whose folder the probe has read.
struct ModelSpec {
  ModelId id;
  std::string name;
  WeightsId weights;              // equal for models that share one identity
  std::optional<AdapterSpec> adapter;
  Bytes tensor_bytes = 0;
  Bytes image_bytes = 0;          // of an image in the host cache; 0: as the tensors
  Bytes workspace_bytes = 0;
  Bytes kv_bytes_per_token = 0;
  std::uint32_t context_tokens = 0;  // the model's own maximum, or what the configuration says
  bool context_is_explicit = false;  // explicit: it fits or never_fits; else cut to what fits
  Bytes memory_cap_bytes = 0;        // `memory`; 0: none
  std::vector<DeviceId> devices;     // where it may run, best first; never empty
  ModelPolicy policy;
};

// Where the bytes of weights are nearest.
enum class Tier { disk, host, device };

// What a load does with the image of its weights in the host cache.
enum class HostImage {
  none,  // reads the files, keeps no image
  fill,  // reads the files into a new image; complete when the load is done
  use    // reads the image and no file
};

enum class ModelState { not_loaded, loading, ready, suspended, unloading, unloaded, failed };

struct Session {
  SessionId id;
  std::uint32_t uid = 0;
};

}  // namespace gpumodel::core

template <class Tag>
struct std::hash<gpumodel::core::Id<Tag>> {
  std::size_t operator()(const gpumodel::core::Id<Tag>& id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value);
  }
};

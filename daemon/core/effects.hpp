// What the core wants done. The broker carries effects out in order and reports back with events.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "core/happened.hpp"
#include "core/types.hpp"

namespace gpumodel::core {

struct ReleaseReport {
  enum class Outcome { kept, still_leased, kept_wanted, freed, unverified };
  Outcome outcome = Outcome::kept;
  std::uint32_t remaining_leases = 0;
  Bytes expected_bytes = 0;
  Bytes freed_bytes = 0;
  Bytes residual_bytes = 0;
  Time unload_time{0};
};

struct GrantedLease {
  LeaseId lease;
  std::uint64_t epoch = 0;
  ModelId model;
  DeviceId device;
  ResidentId resident;
  ResidentId adapter;  // none: the model has none
  std::uint32_t context_tokens = 0;
};

// Why a request was not granted or released. The broker words it and picks the wire code of the same name.
struct Refusal {
  enum class Code { no_model, model_bad, never_fits, busy, lease_lost, device, quota, draining,
                    interrupted, residual, foreign };
  Code code = Code::busy;
  ModelId model{};           // what it is about, where it is about one
  Bytes needed_bytes = 0;    // never_fits, foreign
  Bytes missing_bytes = 0;   // never_fits, foreign
  Bytes capacity_bytes = 0;  // never_fits, foreign: of the largest device allowed
  std::string reason{};      // model_bad, device: in words, from the engine or the probe
  ReleaseReport report{};    // residual
  Bytes foreign_bytes = 0;   // foreign: held by other programs on the devices allowed
};

// ---- to engines
struct StartEngine { DeviceId device; };   // answered by engine_ready or engine_lost
struct StopEngine { DeviceId device; };    // nothing resident: exit, answered by engine_stopped
struct Load {                              // answered by load_done, load_failed or engine_lost
  DeviceId device;
  ResidentId resident;
  WeightsId weights;
  ModelId model;                           // the one whose configuration the load follows
  Need need;
  std::uint32_t context_tokens = 0;
  HostImage image = HostImage::none;
  bool is_adapter = false;                 // `weights` is an adapter, over the model's weights
};
struct CancelLoad { DeviceId device; ResidentId resident; };  // still answered, as a load is
struct Unload { DeviceId device; ResidentId resident; };      // answered by unload_done or engine_lost
// Reads an image into the host cache without a load. Answered by image_filled, image_failed or
// engine_lost of this device.
struct FillImage {
  DeviceId device;
  WeightsId weights;
  ModelId model;                           // one of these weights
  Bytes bytes = 0;                         // of the image
};
struct CancelFill { WeightsId weights; };  // still answered, as a fill is
// The broker forgets the image and its memory, complete or not.
struct DropImage { WeightsId weights; };

// ---- to the probe
struct ReadMemory { DeviceId device; };    // answered by memory_read

// ---- to clients; each accepted request gets exactly one of these
struct Granted {
  RequestId request;
  std::vector<GrantedLease> leases;  // in the order of the models asked for
  Time waited{0};                    // in the queue
  Time loaded{0};                    // the rest: loading
};
struct Released { RequestId request; ReleaseReport report; };
struct Usable { RequestId request; GrantedLease lease; };
struct Refused { RequestId request; Refusal refusal; };
// Not an answer: how a waiting acquire stands, whenever that changed.
struct Progress {
  RequestId request;
  enum class Phase { queued, loading };
  Phase phase = Phase::queued;
  std::uint32_t position = 0;  // 1: next
  float fraction = 0;
  std::optional<Time> eta;
};
// A lease has ended other than by its release: its generations are to be cancelled.
struct LeaseEnded { LeaseId lease; std::string reason; };
// The model of an idle lease leaves the device; the lease lives on, and its next use brings it back.
struct Suspended { LeaseId lease; };
struct Resumed { LeaseId lease; };
struct Prefetched {
  RequestId request;
  struct Row {
    ModelId model;
    std::optional<DeviceId> device;        // where it is or is being loaded
    Tier residency = Tier::disk;           // as it is now
    enum class Action { none, load, host } action = Action::none;
  };
  std::vector<Row> rows;                   // in the order of the models asked for
};
struct Yielded {
  RequestId request;
  YieldId yield;
  DeviceId device;
  Bytes bytes = 0;
  std::optional<Time> until;               // nothing: as long as its session lives
};
// Call tick() at this time, or earlier. Replaces the wake-up wanted before.
struct WakeAt { std::optional<Time> at; };

using Effect = std::variant<StartEngine, StopEngine, Load, CancelLoad, Unload, FillImage, CancelFill,
                            DropImage, ReadMemory, Granted, Released, Usable, Refused, Progress,
                            LeaseEnded, Suspended, Resumed, Prefetched, Yielded, Happened, WakeAt>;
using Effects = std::vector<Effect>;

}  // namespace gpumodel::core

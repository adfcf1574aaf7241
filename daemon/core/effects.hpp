// What the core wants done. The broker carries effects out in order and reports back with events.
#pragma once

#include <string>
#include <variant>
#include <vector>

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
  std::uint32_t context_tokens = 0;
};

// Why a request was not granted or released. The broker words it and picks the wire code of the same name.
struct Refusal {
  enum class Code { no_model, model_bad, never_fits, busy, lease_lost, device, quota, draining,
                    interrupted, residual };
  Code code = Code::busy;
  ModelId model{};           // what it is about, where it is about one
  Bytes needed_bytes = 0;    // never_fits
  Bytes missing_bytes = 0;   // never_fits
  Bytes capacity_bytes = 0;  // never_fits: of the largest device allowed
  std::string reason{};      // model_bad, device: in words, from the engine or the probe
  ReleaseReport report{};    // residual
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
};
struct CancelLoad { DeviceId device; ResidentId resident; };  // still answered, as a load is
struct Unload { DeviceId device; ResidentId resident; };      // answered by unload_done or engine_lost

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
struct LeaseEnded { LeaseId lease; };
// Call tick() at this time, or earlier. Replaces the wake-up wanted before.
struct WakeAt { std::optional<Time> at; };

using Effect = std::variant<StartEngine, StopEngine, Load, CancelLoad, Unload, Granted, Released,
                            Usable, Refused, Progress, LeaseEnded, WakeAt>;
using Effects = std::vector<Effect>;

}  // namespace gpumodel::core

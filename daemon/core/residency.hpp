// What is on which device. The life of a resident goes one way only:
//
//     planned -> loading -> ready -> unloading -> gone
//        \__________\________\________________/
//              (dropped, failed, or its engine is lost)
//
// All transitions, and the booking of their bytes, happen here and nowhere else.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/ledger.hpp"
#include "core/types.hpp"

namespace gpumodel::core {

struct Resident {
  enum class State { planned, loading, ready, unloading };

  ResidentId id;
  DeviceId device;
  WeightsId weights;
  ModelId model;  // the one that it was loaded for
  bool is_adapter = false;
  Need need;      // as admitted; once ready, as measured
  Bytes surplus_bytes = 0;  // learned from earlier loads that took more than their need
  std::uint32_t context_tokens = 0;
  State state = State::planned;
  bool cancelled = false;  // loading, but nobody wants it any more
  float fraction = 0;      // of the load
  Time since{0};           // of the state
  Time last_used{0};
  HostImage image = HostImage::none;  // that it has mapped

  std::uint32_t leases = 0;  // bound to it
  std::uint32_t claims = 0;  // admitted requests that need it to become or stay ready

  // Reasons to stay although nobody leases it.
  // Models it was loaded for or leased as, and when last: their auto_unload counts from then.
  std::map<ModelId, Time> kept_for;
  bool preloaded = false;  // until a first lease on it has ended

  // Who had a lease on it since it became ready: minimum residency is theirs.
  std::set<SessionId> users;
  bool had_other_users = false;  // sessions that have closed since

  struct Release {
    RequestId request;
    SessionId session;
    ModelId model;
  };
  std::vector<Release> releases;  // told what the unload measured

  // Whether a request may count on it: it is ready, or will be.
  bool joinable() const {
    return state == State::ready || state == State::planned ||
           (state == State::loading && !cancelled);
  }
  bool idle() const { return leases == 0 && claims == 0; }
  Bytes bytes() const { return need.total() + surplus_bytes; }
};

class Residency {
 public:
  void add_device(const DeviceSpec& device);
  const Ledger& ledger(DeviceId device) const { return ledgers_.at(device); }

  // At most one resident of the same weights may be on a device.
  Resident& plan(Time now, Resident resident);
  void start_loading(Time now, Resident& resident);
  void become_ready(Time now, Resident& resident, const Need& measured);
  // Neither leased nor claimed.
  void start_unloading(Time now, Resident& resident);
  void set_foreign(DeviceId device, Bytes bytes) { ledgers_.at(device).set_foreign(bytes); }
  void set_yielded(DeviceId device, Bytes bytes) { ledgers_.at(device).set_yielded(bytes); }
  void add_residual(DeviceId device, Bytes bytes) { ledgers_.at(device).add_residual(bytes); }
  void remove(ResidentId resident);
  // An engine has ended: what it did not give back is back now.
  void clear_residual(DeviceId device) { ledgers_.at(device).clear_residual(); }

  Resident* find(ResidentId resident);
  const Resident* find(ResidentId resident) const;
  const Resident* at(WeightsId weights, DeviceId device) const;
  std::vector<ResidentId> on(DeviceId device) const;
  bool any_of(WeightsId weights) const;

  std::map<ResidentId, Resident>& all() { return residents_; }
  const std::map<ResidentId, Resident>& all() const { return residents_; }

  void check() const;

 private:
  std::map<DeviceId, Ledger> ledgers_;
  std::map<ResidentId, Resident> residents_;  // in the order of their plans
  std::map<std::pair<WeightsId, DeviceId>, ResidentId> places_;
  std::uint64_t last_id_ = 0;
};

}  // namespace gpumodel::core

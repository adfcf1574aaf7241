// Who holds which lease, and which generations run on it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "core/types.hpp"

namespace gpumodel::core {

struct Lease {
  LeaseId id;
  std::uint64_t epoch = 0;
  ModelId model;
  SessionId session;
  std::uint32_t uid = 0;
  std::uint32_t asked_context_tokens = 0;  // 0: the model's
  ResidentId resident;                     // none: suspended, or its engine was lost
  ResidentId adapter;                      // bound with it, where the model has one
  Time since{0};
  Time idle_since{0};        // where nothing uses it
  Time contended{0};         // bound while another session waited for its device
  std::set<RequestId> uses;  // generations that run on it
};

class LeaseTable {
 public:
  // Gives it an id that was never used, and as its epoch the how-manieth lease of its model it is.
  Lease& add(Lease lease);
  void remove(LeaseId lease);

  Lease* find(LeaseId lease);
  // Only where all three are right: a stale epoch or another session's lease is nothing.
  const Lease* find(SessionId session, LeaseId lease, std::uint64_t epoch) const;

  void start_use(Lease& lease, RequestId use);
  // An unknown use is left alone; gives the lease that it ran on.
  Lease* end_use(RequestId use, Time now);

  std::uint32_t count_of_user(std::uint32_t uid) const;
  std::uint32_t count_of_model(ModelId model) const;

  std::map<LeaseId, Lease>& all() { return leases_; }
  const std::map<LeaseId, Lease>& all() const { return leases_; }

  void check() const;

 private:
  std::map<LeaseId, Lease> leases_;
  std::unordered_map<RequestId, LeaseId> uses_;
  std::unordered_map<std::uint32_t, std::uint32_t> of_user_;
  std::unordered_map<ModelId, std::uint32_t> of_model_;
  std::unordered_map<ModelId, std::uint64_t> granted_;
  std::uint64_t last_id_ = 0;
};

}  // namespace gpumodel::core

// Requests that wait for models: acquires, and uses of leases whose model has to come back. First
// in, first out within a user; a request keeps its place when a lost engine throws it back.
#pragma once

#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/effects.hpp"
#include "core/needed.hpp"
#include "core/types.hpp"

namespace gpumodel::core {

// How many later requests for resident models may be granted before a waiter.
inline constexpr std::uint32_t kMaxOvertaken = 8;

struct Waiter {
  RequestId request;
  SessionId session;
  std::uint32_t uid = 0;
  std::vector<ModelId> models;
  std::uint32_t context_tokens = 0;
  bool only_if_ready = false;
  bool wait_foreign = false;
  bool tried = false;   // and found that it has to wait: only then its session is blocked
  bool parked = false;  // other programs or a yield are in the way: it holds nobody up
  bool awaits_reading = false;  // of foreign memory, before it can be said whether it can be served
  LeaseId lease;  // a use that waits for this lease's model; none: an acquire

  Time since{0};
  Time wait{0};                  // how long it may be queued
  std::optional<Time> deadline;  // while queued; none: no limit
  Time queued_since{0};
  Time waited{0};  // in the queue, all times together, up to queued_since

  // Admitted: every model has its resident, which is ready or is going to be; behind them come their
  // adapters. Empty while queued.
  std::vector<ResidentId> residents;
  std::vector<ResidentId> adapters;  // for each model; none where it has none
  std::uint32_t overtaken = 0;
  std::optional<Progress> told;

  // What it needs, as of this version of the catalog.
  std::uint64_t catalog_version = 0;
  Needed needed;
  std::vector<DeviceId> devices;     // that any item may be on

  bool admitted() const { return !residents.empty(); }
};

class Queue {
 public:
  using Order = std::uint64_t;

  Waiter& add(Waiter waiter);
  Waiter* find(RequestId request);
  const Waiter* find(RequestId request) const;
  void remove(RequestId request);

  bool empty() const { return waiters_.empty(); }
  std::map<Order, Waiter>& all() { return waiters_; }
  const std::map<Order, Waiter>& all() const { return waiters_; }
  std::vector<RequestId> requests() const;
  std::uint32_t count_of_user(std::uint32_t uid) const;
  // Leases that this user's waiting acquires are going to be.
  std::uint32_t leases_of_user(std::uint32_t uid) const;

 private:
  std::map<Order, Waiter> waiters_;
  std::unordered_map<RequestId, Order> orders_;
  Order last_ = 0;
};

}  // namespace gpumodel::core

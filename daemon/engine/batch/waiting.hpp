// The sequences that wait to be run, and whose turn it is.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <utility>

#include "engine/batch/sequence.hpp"

namespace gpumodel::engine::batch {

// Turns go between uids, and within a uid between its leases: to whoever has the fewest running,
// then to whose last turn is longest ago; one lease's own run in the order of their coming. So no
// uid's crowd of requests, and no lease's, delays another's by more than one of its own. Borrows
// the sequences.
class Waiting {
 public:
  void add(Sequence& sequence) { queue_of(sequence).push_back(&sequence); }
  // Before the others of its lease.
  void put_back(Sequence& sequence) { queue_of(sequence).push_front(&sequence); }
  void remove(Sequence& sequence);

  // Whose turn it is beside those that run; nullptr where nobody waits.
  Sequence* next(std::span<Sequence* const> running) const;
  // It has had its turn: removes it.
  void take(Sequence& sequence);

  bool empty() const { return size() == 0; }
  std::size_t size() const;

 private:
  using Lease = std::pair<std::uint32_t, std::uint64_t>;  // uid, lease

  std::deque<Sequence*>& queue_of(const Sequence& sequence) {
    return queues_[{sequence.uid(), sequence.lease()}];
  }
  std::uint64_t turn_of(std::uint32_t uid) const;
  std::uint64_t turn_of(const Lease& lease) const;

  std::map<Lease, std::deque<Sequence*>> queues_;  // none is empty
  // When each had its last turn; also of those that have nothing waiting now.
  std::map<std::uint32_t, std::uint64_t> uid_turns_;
  std::map<Lease, std::uint64_t> lease_turns_;
  std::uint64_t turn_ = 0;
};

}  // namespace gpumodel::engine::batch

#include "engine/batch/waiting.hpp"

#include <algorithm>
#include <tuple>

namespace gpumodel::engine::batch {
namespace {

// Turns that are remembered: of more leases than a daemon grants at once.
constexpr std::size_t kMostTurns = 8192;

template <class Map>
void halve(Map& turns, std::uint64_t now) {
  if (turns.size() <= kMostTurns) return;
  std::erase_if(turns, [&](const auto& entry) { return now - entry.second > kMostTurns / 2; });
}

}  // namespace

void Waiting::remove(Sequence& sequence) {
  const auto queue = queues_.find({sequence.uid(), sequence.lease()});
  if (queue == queues_.end()) return;
  std::erase(queue->second, &sequence);
  if (queue->second.empty()) queues_.erase(queue);
}

std::uint64_t Waiting::turn_of(std::uint32_t uid) const {
  const auto turn = uid_turns_.find(uid);
  return turn == uid_turns_.end() ? 0 : turn->second;
}

std::uint64_t Waiting::turn_of(const Lease& lease) const {
  const auto turn = lease_turns_.find(lease);
  return turn == lease_turns_.end() ? 0 : turn->second;
}

Sequence* Waiting::next(std::span<Sequence* const> running) const {
  std::map<std::uint32_t, std::size_t> of_uid;
  std::map<Lease, std::size_t> of_lease;
  for (const Sequence* sequence : running) {
    ++of_uid[sequence->uid()];
    ++of_lease[{sequence->uid(), sequence->lease()}];
  }
  const auto rank = [&](const auto& entry) {
    const Lease& lease = entry.first;
    return std::tuple(of_uid[lease.first], turn_of(lease.first), lease.first, of_lease[lease],
                      turn_of(lease), lease.second);
  };
  const auto first = std::min_element(
      queues_.begin(), queues_.end(),
      [&](const auto& left, const auto& right) { return rank(left) < rank(right); });
  return first == queues_.end() ? nullptr : first->second.front();
}

void Waiting::take(Sequence& sequence) {
  ++turn_;
  uid_turns_[sequence.uid()] = turn_;
  lease_turns_[{sequence.uid(), sequence.lease()}] = turn_;
  halve(uid_turns_, turn_);
  halve(lease_turns_, turn_);
  remove(sequence);
}

std::size_t Waiting::size() const {
  std::size_t total = 0;
  for (const auto& [lease, queue] : queues_) total += queue.size();
  return total;
}

}  // namespace gpumodel::engine::batch

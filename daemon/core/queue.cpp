#include "core/queue.hpp"

#include <utility>

#include "core/require.hpp"

namespace gpumodel::core {

Waiter& Queue::add(Waiter waiter) {
  require(orders_.emplace(waiter.request, ++last_).second, "a request waits once");
  return waiters_.emplace_hint(waiters_.end(), last_, std::move(waiter))->second;
}

Waiter* Queue::find(RequestId request) {
  const auto found = orders_.find(request);
  return found == orders_.end() ? nullptr : &waiters_.at(found->second);
}

const Waiter* Queue::find(RequestId request) const {
  const auto found = orders_.find(request);
  return found == orders_.end() ? nullptr : &waiters_.at(found->second);
}

void Queue::remove(RequestId request) {
  const auto found = orders_.find(request);
  require(found != orders_.end(), "a waiter leaves once");
  waiters_.erase(found->second);
  orders_.erase(found);
}

std::vector<RequestId> Queue::requests() const {
  std::vector<RequestId> requests;
  requests.reserve(waiters_.size());
  for (const auto& [order, waiter] : waiters_) requests.push_back(waiter.request);
  return requests;
}

std::uint32_t Queue::count_of_user(std::uint32_t uid) const {
  std::uint32_t count = 0;
  for (const auto& [order, waiter] : waiters_)
    count += waiter.uid == uid && !waiter.lease && !waiter.admitted();
  return count;
}

std::uint32_t Queue::leases_of_user(std::uint32_t uid) const {
  std::uint32_t count = 0;
  for (const auto& [order, waiter] : waiters_) {
    if (waiter.uid == uid && !waiter.lease)
      count += static_cast<std::uint32_t>(waiter.models.size());
  }
  return count;
}

}  // namespace gpumodel::core

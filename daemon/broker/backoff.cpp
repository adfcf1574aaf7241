#include "broker/backoff.hpp"

#include <algorithm>

namespace gpumodel::broker {

std::optional<Backoff::Duration> Backoff::lost(Duration now) {
  while (!losses_.empty() && now - losses_.front() >= kWindow) losses_.pop_front();
  losses_.push_back(now);
  if (gives_up_ && losses_.size() >= kMostLosses) return std::nullopt;
  // Past this many doublings the longest wait is reached anyway, and older losses say nothing more.
  constexpr std::size_t kMostRemembered = 8;
  if (losses_.size() > kMostRemembered) losses_.pop_front();
  return std::min(kLongest, kFirst * (1 << (losses_.size() - 1)));
}

}  // namespace gpumodel::broker

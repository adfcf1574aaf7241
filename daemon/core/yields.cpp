#include "core/yields.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::core {

Yield& Yields::add(YieldRequest wish, Time deadline) {
  const YieldId id{++last_id_};
  return yields_.emplace(id, Yield{id, std::move(wish), false, deadline, {}}).first->second;
}

Yield* Yields::find(YieldId id) {
  const auto found = yields_.find(id);
  return found == yields_.end() ? nullptr : &found->second;
}

Yield* Yields::waiting(RequestId request) {
  for (auto& [id, yield] : yields_) {
    if (!yield.answered && yield.wish.request == request) return &yield;
  }
  return nullptr;
}

Bytes Yields::bytes_on(DeviceId device) const {
  Bytes bytes = 0;
  for (const auto& [id, yield] : yields_) {
    if (yield.wish.device == device) bytes += yield.wish.bytes;
  }
  return bytes;
}

bool Yields::any_waiting() const {
  return std::any_of(yields_.begin(), yields_.end(),
                     [](const auto& entry) { return !entry.second.answered; });
}

bool Yields::any_waiting_on(DeviceId device) const {
  return std::any_of(yields_.begin(), yields_.end(), [&](const auto& entry) {
    return entry.second.wish.device == device && !entry.second.answered;
  });
}

bool Yields::any_on(DeviceId device) const {
  return std::any_of(yields_.begin(), yields_.end(),
                     [&](const auto& entry) { return entry.second.wish.device == device; });
}

}  // namespace gpumodel::core

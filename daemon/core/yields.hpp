// Bytes of devices that administrators keep free for other programs.
#pragma once

#include <map>
#include <optional>

#include "core/requests.hpp"

namespace gpumodel::core {

struct Yield {
  YieldId id;
  YieldRequest wish;
  bool answered = false;       // the bytes were free
  Time deadline{0};            // for the answer
  std::optional<Time> until;   // once answered; nullopt: as long as its session lives
};

class Yields {
 public:
  Yield& add(YieldRequest wish, Time deadline);
  Yield* find(YieldId id);
  // One that is not answered yet.
  Yield* waiting(RequestId request);
  void remove(YieldId id) { yields_.erase(id); }

  Bytes bytes_on(DeviceId device) const;
  bool any_on(DeviceId device) const;
  bool any_waiting() const;
  bool any_waiting_on(DeviceId device) const;
  std::map<YieldId, Yield>& all() { return yields_; }
  const std::map<YieldId, Yield>& all() const { return yields_; }

 private:
  std::map<YieldId, Yield> yields_;
  std::uint64_t last_id_ = 0;
};

}  // namespace gpumodel::core

// Whether an engine still works, by what it answers to `pulse`: values and times only.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "wire/engine_messages.hpp"

namespace gpumodel::broker {

class EngineHeart {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `limit`: how long an answer or one step may take.
  EngineHeart(std::chrono::milliseconds limit, Time now) : limit_(limit), moved_(now) {}

  // How often to ask.
  std::chrono::milliseconds interval() const;
  // An answer is owed: ask no more before it.
  bool is_owed() const { return asked_.has_value(); }
  void asked(Time now) { asked_ = now; }
  void answered(const wire::PulseResult& pulse, Time now);
  // Why it does not work, in words that follow its name.
  std::optional<std::string> failure(Time now) const;

 private:
  std::chrono::milliseconds limit_;
  std::optional<Time> asked_;
  Time moved_;  // its steps last went on, or it had none to do
  std::uint64_t steps_ = 0;
};

}  // namespace gpumodel::broker

// What the fake engine and the fake probe share: their answers, and what they do later.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "engine/server/channel.hpp"
#include "wire/codec.hpp"

namespace gpumodel::test {

using Clock = std::chrono::steady_clock;

class Outlet {
 public:
  explicit Outlet(engine::server::Channel& channel) : channel_(channel) {}

  template <class Result>
  void answer(std::uint32_t id, const Result& result) {
    std::string out;
    wire::append_response(out, id, result);
    channel_.send(out);
  }
  void fail(std::uint32_t id, const wire::Error& error) {
    std::string out;
    wire::append_error_response(out, id, error);
    channel_.send(out);
  }
  template <class Params>
  void notify(std::string_view method, const Params& params) {
    std::string out;
    wire::append_notification(out, method, params);
    channel_.send(out);
  }

  // At once where there is no delay.
  void later(std::chrono::milliseconds delay, std::function<void()> action) {
    if (delay == std::chrono::milliseconds(0)) return action();
    timers_.push_back({Clock::now() + delay, std::move(action)});
  }
  // An action may call later().
  void run_due(Clock::time_point now) {
    for (std::size_t i = 0; i < timers_.size();) {
      if (timers_[i].due > now) {
        ++i;
        continue;
      }
      const auto action = std::move(timers_[i].action);
      timers_.erase(timers_.begin() + static_cast<std::ptrdiff_t>(i));
      action();
    }
  }
  bool idle() const { return timers_.empty(); }

 private:
  struct Timer {
    Clock::time_point due;
    std::function<void()> action;
  };

  engine::server::Channel& channel_;
  std::vector<Timer> timers_;
};

// Removes every entry of a map for which `advance(id, entry)` says that it is over.
template <class Entries, class Advance>
void advance_all(Entries& entries, Advance advance) {
  for (auto it = entries.begin(); it != entries.end();)
    it = advance(it->first, it->second) ? entries.erase(it) : std::next(it);
}

inline std::uint64_t microseconds_since(Clock::time_point then) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - then).count());
}

}  // namespace gpumodel::test

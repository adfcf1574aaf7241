// When a program that was lost may be started again, and when it is given up.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

namespace gpumodel::broker {

// A value; the caller brings the time. Half a second after the first loss, then twice as long after
// each that follows within the window, up to 30 s; given up at the third loss within ten minutes
// where `gives_up`.
class Backoff {
 public:
  using Duration = std::chrono::milliseconds;
  static constexpr Duration kFirst{500};
  static constexpr Duration kLongest{30'000};
  static constexpr Duration kWindow{600'000};
  static constexpr std::size_t kMostLosses = 3;

  explicit Backoff(bool gives_up) : gives_up_(gives_up) {}

  // Notes a loss at `now`; how long to wait before the next start, or nothing: never again.
  std::optional<Duration> lost(Duration now);

 private:
  bool gives_up_;
  std::deque<Duration> losses_;  // within the window, oldest first
};

}  // namespace gpumodel::broker

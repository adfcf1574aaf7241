#include "broker/engine_heart.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gpumodel::broker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMostBetween{5'000};
constexpr milliseconds kLeastBetween{10};

}  // namespace

milliseconds EngineHeart::interval() const {
  return std::clamp(limit_ / 4, kLeastBetween, kMostBetween);
}

void EngineHeart::answered(const wire::PulseResult& pulse, Time now) {
  asked_.reset();
  if (!pulse.stepping || pulse.steps != steps_) moved_ = now;
  steps_ = pulse.steps;
}

std::optional<std::string> EngineHeart::failure(Time now) const {
  const auto seconds = [&](Time since) {
    return std::chrono::duration<double>(now - since).count();
  };
  if (asked_ && now - *asked_ > limit_)
    return fmt::format("it has not answered for {:.0f} s (hang_timeout)", seconds(*asked_));
  if (now - moved_ > limit_ && !asked_)
    return fmt::format("one step has taken {:.0f} s (hang_timeout)", seconds(moved_));
  return std::nullopt;
}

}  // namespace gpumodel::broker

// The life of one device's engine, as far as decisions need it.
#pragma once

#include <optional>
#include <string>

#include "core/types.hpp"

namespace gpumodel::core {

struct EngineState {
  enum class Phase { stopped, starting, running, stopping, backoff, failed };

  Phase phase = Phase::stopped;
  std::optional<Time> idle_since;  // running, with nothing on the device
  Time retry_at{0};                // phase backoff
  std::string reason;              // why it was lost last
  std::uint32_t restarts = 0;      // starts after a loss
};

}  // namespace gpumodel::core

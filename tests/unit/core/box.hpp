// What the scenarios of the core have in common: a device of 100 bytes, two users, small models.
#pragma once

#include <algorithm>
#include <chrono>

#include "world.hpp"

namespace gpumodel::test {

using namespace gpumodel::core;
using namespace std::chrono_literals;
using Code = Refusal::Code;
using Outcome = ReleaseReport::Outcome;

inline ModelSpec sized(Bytes tensor_bytes,
                       AutoUnload::Kind kind = AutoUnload::Kind::at_last_release) {
  ModelSpec spec;
  spec.tensor_bytes = tensor_bytes;
  spec.context_tokens = 32;
  spec.policy.auto_unload.kind = kind;
  return spec;
}

inline ModelSpec kept(Bytes tensor_bytes) {
  return sized(tensor_bytes, AutoUnload::Kind::when_needed);
}

// One device of 100 bytes, and two sessions.
struct Box {
  explicit Box(const CoreConfig& config = {}) : world(config) {}

  World world;
  DeviceId gpu = world.device(100);
  SessionId alice = world.session(1000);
  SessionId bob = world.session(1001);

  LeaseId held(SessionId session, ModelId model) {
    const RequestId request = world.acquire(session, {model});
    world.settle();
    return world.lease_of(request);
  }
  std::size_t count(Happened::Type type) const {
    const auto& all = world.history();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const Happened& happened) { return happened.type == type; }));
  }
  // The last effect of a kind in the last event.
  template <class T>
  const T* told() const {
    const T* found = nullptr;
    for (const Effect& effect : world.last_effects()) {
      if (const T* one = std::get_if<T>(&effect)) found = one;
    }
    return found;
  }
  bool refused_as(RequestId request, Code code) const {
    const Refused* answer = world.refused(request);
    return answer != nullptr && answer->refusal.code == code;
  }
  Outcome outcome(RequestId request) const { return world.released(request)->report.outcome; }
  template <class T>
  std::size_t last() const {
    const Effects& effects = world.last_effects();
    return static_cast<std::size_t>(
        std::count_if(effects.begin(), effects.end(),
                      [](const Effect& effect) { return std::holds_alternative<T>(effect); }));
  }
};

}  // namespace gpumodel::test

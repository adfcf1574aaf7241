// The fake probe's answers to ENGINE_PROTOCOL.md "Probe".
#pragma once

#include "support/fake/fake_outlet.hpp"
#include "wire/frame.hpp"

namespace gpumodel::test {

// `memory` is read at each call from the JSON file that $GPUMODEL_FAKE_MEMORY names, whose keys are
// those of the result (absent ones: no foreign memory), "pids", processes whose memory is foreign
// and is measured, and "ms", how long the answer takes.
class FakeProbe {
 public:
  explicit FakeProbe(Outlet& outlet) : outlet_(outlet) {}

  // Throws wire::Error.
  void request(const wire::Frame& frame);

 private:
  void inspect(const wire::Frame& frame);
  void memory(std::uint32_t id);

  Outlet& outlet_;
};

}  // namespace gpumodel::test

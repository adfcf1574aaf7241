// A loop of its own for one test.
#pragma once

#include <functional>

#include "broker/loop.hpp"

namespace gpumodel::test {

struct LoopFixture {
  broker::asio::io_context io{1};

  // Runs the loop until `holds`; false where that takes too long.
  bool run_until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds() && std::chrono::steady_clock::now() < deadline) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(20));
    }
    return holds();
  }
};

}  // namespace gpumodel::test

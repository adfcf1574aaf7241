// The end of a process, told in the loop.
#pragma once

#include <functional>

#include "broker/loop.hpp"
#include "os/fd.hpp"

namespace gpumodel::broker {

class ProcessWatch {
 public:
  explicit ProcessWatch(asio::io_context& io) : process_(io) {}

  // `process`: a pidfd, once. `on_end` is called once from the loop when the process has ended,
  // also where it had already; not after stop() or destruction. It may destroy this.
  void start(os::Fd process, std::function<void()> on_end);
  void stop();

 private:
  void wait();

  asio::posix::stream_descriptor process_;
  std::function<void()> on_end_;
  Alive alive_;
};

}  // namespace gpumodel::broker

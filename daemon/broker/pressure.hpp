// Signs that the machine runs short of memory: the kernel's pressure stall information
// (Documentation/accounting/psi.rst), and its count of processes that it killed for memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "broker/loop.hpp"
#include "os/fd.hpp"

namespace gpumodel::broker {

// Calls `on_pressure` from the loop each time the trigger fires.
class PressureWatch {
 public:
  // `trigger` is a descriptor with priority data when memory is short.
  PressureWatch(asio::io_context& io, os::Fd trigger, std::function<void()> on_pressure);

 private:
  void wait();

  asio::posix::stream_descriptor trigger_;
  std::function<void()> on_pressure_;
  Alive alive_;
};

// /proc/pressure/memory with a trigger: some task stalled for 200 ms within 2 s, the window that
// needs no privilege (Linux 6.5). Empty where the kernel has none, and then `why` says why.
os::Fd open_memory_pressure(std::string& why);

// Counts since the start of this process.
class OutOfMemoryKills {
 public:
  OutOfMemoryKills() : last_(count()) {}
  // Whether the kernel has killed for memory since this was last asked.
  bool happened();

 private:
  static std::uint64_t count();

  std::uint64_t last_;
};

}  // namespace gpumodel::broker

#include "broker/pressure.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace gpumodel::broker {

PressureWatch::PressureWatch(asio::io_context& io, os::Fd trigger,
                             std::function<void()> on_pressure)
    : trigger_(io, trigger.release()), on_pressure_(std::move(on_pressure)) {
  wait();
}

void PressureWatch::wait() {
  trigger_.async_wait(asio::posix::stream_descriptor::wait_error,
                      alive_.guard([this](const boost::system::error_code& error) {
                        if (error) return;
                        wait();
                        on_pressure_();
                      }));
}

os::Fd open_memory_pressure(std::string& why) {
  constexpr const char* kPath = "/proc/pressure/memory";
  constexpr std::string_view kTrigger("some 200000 2000000\0", 20);
  os::Fd fd(::open(kPath, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (fd &&
      ::write(fd.get(), kTrigger.data(), kTrigger.size()) == static_cast<ssize_t>(kTrigger.size()))
    return fd;
  why = fmt::format("{}: {}", kPath, std::generic_category().message(errno));
  return {};
}

bool OutOfMemoryKills::happened() {
  const std::uint64_t now = count();
  return now > std::exchange(last_, now);
}

std::uint64_t OutOfMemoryKills::count() {
  std::ifstream file("/proc/vmstat");
  constexpr std::string_view kKey = "oom_kill ";
  for (std::string line; std::getline(file, line);)
    if (std::string_view(line).starts_with(kKey))
      return std::strtoull(line.c_str() + kKey.size(), nullptr, 10);
  return 0;
}

}  // namespace gpumodel::broker

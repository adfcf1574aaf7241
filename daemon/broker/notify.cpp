#include "broker/notify.hpp"

#include <systemd/sd-daemon.h>
#include <time.h>

namespace gpumodel::broker::notify {

void ready(const std::string& status) { sd_notifyf(0, "READY=1\nSTATUS=%s", status.c_str()); }
void reloading(const std::string& status) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const long long us = now.tv_sec * 1'000'000ll + now.tv_nsec / 1'000;
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=%s", us, status.c_str());
}
void stopping(const std::string& status) { sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status.c_str()); }
void status(const std::string& status) { sd_notifyf(0, "STATUS=%s", status.c_str()); }

std::optional<std::chrono::microseconds> watchdog_interval() {
  std::uint64_t us = 0;
  if (sd_watchdog_enabled(0, &us) <= 0) return std::nullopt;
  return std::chrono::microseconds(us);
}

void works() { sd_notify(0, "WATCHDOG=1"); }

}  // namespace gpumodel::broker::notify

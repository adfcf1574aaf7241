// What the service manager is told (sd_notify(3)); nothing where there is none.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace gpumodel::broker::notify {

void ready(const std::string& status);
// ready() follows when it is done.
void reloading(const std::string& status);
void stopping(const std::string& status);
// What goes on, for `systemctl status`.
void status(const std::string& status);
// How often the manager wants to hear that the daemon works; nothing where it does not.
std::optional<std::chrono::microseconds> watchdog_interval();
void works();

}  // namespace gpumodel::broker::notify

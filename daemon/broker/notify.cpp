#include "broker/notify.hpp"

#include <systemd/sd-daemon.h>

namespace gpumodel::broker::notify {

void ready(const std::string& status) { sd_notifyf(0, "READY=1\nSTATUS=%s", status.c_str()); }
void status(const std::string& text) { sd_notifyf(0, "STATUS=%s", text.c_str()); }
void stopping(const std::string& status) { sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status.c_str()); }

}  // namespace gpumodel::broker::notify

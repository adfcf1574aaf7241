// What the service manager is told (sd_notify(3)); nothing where there is none.
#pragma once

#include <string>

namespace gpumodel::broker::notify {

void ready(const std::string& status);
// ready() follows when it is done.
void reloading(const std::string& status);
void stopping(const std::string& status);

}  // namespace gpumodel::broker::notify

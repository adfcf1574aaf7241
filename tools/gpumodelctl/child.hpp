// A command that runs while gpumodelctl holds something for it.
#pragma once

#include <gpumodel.h>

#include <functional>
#include <string>
#include <vector>

namespace gpumodelctl {

// Runs `words` (a program, looked up in $PATH, and its arguments) with $GPUMODEL_SOCKET set to
// `socket_path`, and gives its exit status, 128 + N where signal N ended it, or 127 where it could
// not be started. SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 that somebody sends to
// gpumodelctl are passed on; those that the terminal sends reach the command by themselves.
// Meanwhile what comes for `client` is dispatched; `lost` is called once when its connection ends.
int run_child(const std::vector<std::string>& words, const std::string& socket_path,
              gm_client* client, const std::function<void()>& lost);

}  // namespace gpumodelctl

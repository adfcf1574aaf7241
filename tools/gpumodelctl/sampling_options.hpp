// Options that whatever generates has.
#pragma once

#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/generate.hpp"

namespace gpumodelctl {

void add_sampling(CLI::App* command, Sampling& sampling);
// --wait, for the lease.
void add_lease_wait(CLI::App* command, double& wait_seconds);

}  // namespace gpumodelctl

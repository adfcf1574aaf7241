// Options that whatever generates has.
#pragma once

#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/generate.hpp"

namespace gpumodelctl {

void add_sampling(Arguments command, Sampling& sampling);
// --wait, for the lease.
void add_lease_wait(Arguments command, double& wait_seconds);

}  // namespace gpumodelctl

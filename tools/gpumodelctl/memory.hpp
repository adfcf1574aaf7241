// Whose the memory of each device and of the host cache is, as bars.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gpumodelctl/bar.hpp"

namespace gpumodelctl {

// The owners of a device's capacity, of `status`: weights, KV, other (adapters, workspace, what is
// on its way), foreign programs, what is kept free for them, and what is free. Their sum is the
// capacity, unless others hold more than is left.
std::vector<Share> device_shares(const nlohmann::ordered_json& status,
                                 const nlohmann::ordered_json& device);

// A bar and a legend for each device, and for the host cache where there is one; empty without any.
std::string memory_text(const nlohmann::ordered_json& status, const View& view);

}  // namespace gpumodelctl

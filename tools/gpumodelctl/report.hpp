// The daemon's `status` and `models` answers as tables.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace gpumodelctl {

// `status`: the map of PROTOCOL.md. Facts that are null are shown as "-".
std::string status_text(const nlohmann::ordered_json& status, bool colour);
// `models`: the map {models: [...]}.
std::string models_text(const nlohmann::ordered_json& models, bool colour);

}  // namespace gpumodelctl

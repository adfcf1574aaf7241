// The daemon's `status` and `models` answers as tables.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "gpumodelctl/format.hpp"
#include "gpumodelctl/view.hpp"

namespace gpumodelctl {

// `status`: the map of PROTOCOL.md. Facts that are null are shown as "-".
std::string status_text(const nlohmann::ordered_json& status, const View& view);
// The state of a row with its tone.
Cell state_cell(const nlohmann::ordered_json& row);
// `models`: the map {models: [...]}.
std::string models_text(const nlohmann::ordered_json& models, const View& view);

}  // namespace gpumodelctl

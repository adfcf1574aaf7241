// The daemon's decisions in words: `plan` and `why`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gpumodelctl/view.hpp"

namespace gpumodelctl {

// Of the answers that PROTOCOL.md describes; `models` is what was asked for.
std::string plan_text(const nlohmann::ordered_json& plan, const std::vector<std::string>& models,
                      const View& view);
std::string why_text(const nlohmann::ordered_json& why, const View& view);

}  // namespace gpumodelctl

// How the layers of one model differ, out of config.json.
#pragma once

#include <vector>

#include "engine/io/config_fields.hpp"
#include "engine/io/hf_config.hpp"

namespace gpumodel::engine::io {

// By sliding_window, layer_types and the other keys that `rules` name; as many as `layers`. Throws
// BadModel.
std::vector<LayerConfig> read_layers(const ConfigFields& config, const ConfigRules& rules,
                                     std::int32_t layers);

}  // namespace gpumodel::engine::io

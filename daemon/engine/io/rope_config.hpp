// Rotary embedding out of config.json: rope_scaling of transformers 4 ("type" or "rope_type", theta
// beside it) and rope_parameters of 5, one for all layers or one by layer type.
#pragma once

#include <vector>

#include "engine/io/config_fields.hpp"
#include "engine/io/hf_config.hpp"

namespace gpumodel::engine::io {

// Fills model.ropes: first the one of all layers, or of those that see everything; then, where
// rules.default_local_theta is set, the one of layers with a window. Reads model.head_dim and
// model.max_position, and changes the latter to the positions up to which frequencies do not depend
// on the length of a sequence:
// - "dynamic" has plain frequencies up to max_position_embeddings, and changes them beyond;
// - "longrope" changes them beyond original_max_position_embeddings, so that is the end;
// - "yarn" is made for factor * original_max_position_embeddings, which files often leave to say in
//   max_position_embeddings.
// Kinds and their formulas: transformers' modeling_rope_utils. Throws BadModel.
void read_ropes(const ConfigFields& config, const RopeRules& rules, ModelConfig& model);

}  // namespace gpumodel::engine::io

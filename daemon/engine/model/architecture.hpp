// The architectures that the engine runs, as data: one row each.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "engine/io/hf_config.hpp"

namespace gpumodel::engine::model {

// Names of a checkpoint's tensors. "{}" stands for the layer's number; projections and norms are
// named without their ".weight" or ".bias". A norm without a name is not there.
struct TensorNames {
  std::string_view embedding;
  std::string_view final_norm;
  std::string_view lm_head;
  std::string_view attention_norm;
  // Of (q, k, v), or one for all three: rows of q, then k, then v.
  std::array<std::string_view, 3> qkv;
  std::string_view q_norm, k_norm;  // of each head's dimensions, before the rotation
  std::string_view o;
  std::string_view post_attention_norm;  // of what attention adds to the residual
  std::string_view mlp_norm;
  std::array<std::string_view, 2> gate_up;  // of (gate, up), or one for both
  std::string_view down;
  std::string_view post_mlp_norm;  // of what the feed-forward adds to the residual
};

struct Architecture {
  io::ConfigRules config;
  TensorNames names;
};

std::span<const Architecture> architectures();

// Null where there is no row of that name.
const Architecture* find_architecture(std::string_view name);

// The row of a config that these rows have read.
const Architecture& architecture_of(const io::ModelConfig& config);

// config.json of a folder by these rows. Throws BadModel.
io::ModelConfig read_config(const io::Folder& folder);
io::ModelConfig parse_config(std::string_view text);

// The tensor's name in layer `layer`, with `suffix`: ".weight" or ".bias".
std::string tensor_name(std::string_view pattern, std::int32_t layer, std::string_view suffix);

}  // namespace gpumodel::engine::model

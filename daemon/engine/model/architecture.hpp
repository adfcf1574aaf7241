// The architectures that the engine runs, as data: one row each.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/io/hf_config.hpp"

namespace gpumodel::engine::model {

// Names of a checkpoint's tensors. "{}" stands for the layer's number; projections and norms are
// named without their ".weight" or ".bias".
struct TensorNames {
  std::string_view embedding;
  std::string_view final_norm;
  std::string_view lm_head;
  std::string_view attention_norm;
  std::string_view q, k, v, o;
  std::string_view mlp_norm;
  std::string_view gate, up, down;
};

struct Architecture {
  io::ConfigRules config;
  TensorNames names;
};

std::span<const Architecture> architectures();

// Null where there is no row of that name.
const Architecture* find_architecture(std::string_view name);

// config.json of a folder by these rows. Throws BadModel.
io::ModelConfig read_config(const io::Folder& folder);
io::ModelConfig parse_config(std::string_view text);

// The tensor's name in layer `layer`, with `suffix`: ".weight" or ".bias".
std::string tensor_name(std::string_view pattern, std::int32_t layer, std::string_view suffix);

}  // namespace gpumodel::engine::model

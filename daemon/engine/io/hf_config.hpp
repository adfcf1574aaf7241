// config.json and generation_config.json of transformers, checked, in the engine's form.
//
// What an architecture takes from config.json is data (ConfigRules); the rows stand in
// model/architecture.cpp. Defaults are those of transformers' configuration classes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/io/folder.hpp"
#include "engine/io/model_config.hpp"

namespace gpumodel::engine::io {

// Whether a projection adds a bias.
enum class BiasRule {
  never,
  always,
  attention_bias,
  mlp_bias
};  // the last two: what that key says

// Which layers see a window of tokens only. All but `never` read sliding_window.
enum class WindowRule {
  never,
  every_layer,     // wherever sliding_window is given
  later_layers,    // from max_window_layers on, where use_sliding_window is set
  unroped_layers,  // those without rotary embedding, where use_sliding_window is set
  alternating      // all but every sliding_window_pattern-th
};

// How config.json says what rotates queries and keys.
struct RopeRules {
  double default_theta = 10000.0;
  double default_local_theta = 0.0;  // above 0: layers with a window have a rope of their own
  bool skips_layers = false;         // reads no_rope_layers, no_rope_layer_interval
  bool partial = false;              // honours partial_rotary_factor
  std::int32_t default_original_max_position = 0;  // 0: max_position_embeddings
  bool only_longrope = false;  // scaled by longrope only, which older files call "su" or "yarn"
};

struct ConfigRules {
  std::string_view architecture;  // "LlamaForCausalLM"
  std::string_view model_type;    // "llama"
  BiasRule qkv_bias = BiasRule::never;
  BiasRule o_bias = BiasRule::never;
  BiasRule mlp_bias = BiasRule::never;
  std::int32_t default_kv_heads = 0;  // 0: as many as heads
  std::int32_t default_head_dim = 0;  // 0: hidden_size / num_attention_heads
  std::int32_t default_max_position = 0;
  std::optional<std::int32_t> default_eos = std::nullopt;
  double default_rms_norm_eps = 1e-6;
  bool default_tied = false;
  WindowRule window = WindowRule::never;
  std::int32_t default_window = 0;          // 0: none
  std::int32_t default_window_pattern = 0;  // of WindowRule::alternating
  bool reads_window_pattern = false;        // else it is always the default
  RopeRules rope = {};
  const char* activation_key = "hidden_act";
  Activation default_activation = Activation::silu;
  float norm_offset = 0.0f;
  bool scales_embedding = false;          // by the square root of hidden_size
  std::int32_t default_query_scalar = 0;  // above 0: reads query_pre_attn_scalar
  std::optional<float> default_attention_cap =
      std::nullopt;  // where set: reads attn_logit_softcapping
  std::optional<float> default_logit_cap =
      std::nullopt;  // where set: reads final_logit_softcapping; 0: none
};

// Throws BadModel about config.json: what is missing, out of range, or not supported, by name.
ModelConfig parse_model_config(std::string_view text, std::span<const ConfigRules> rules);

// Throws BadModel about generation_config.json: out of range, or a setting whose effect the engine
// lacks.
GenerationDefaults parse_generation_config(std::string_view text);

// Reads config.json. Refuses a folder whose other files say that it holds an embedding model.
ModelConfig read_model_config(const Folder& folder, std::span<const ConfigRules> rules);

// Reads generation_config.json; defaults where there is none.
GenerationDefaults read_generation_defaults(const Folder& folder);

}  // namespace gpumodel::engine::io

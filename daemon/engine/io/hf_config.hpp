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

struct ConfigRules {
  std::string_view architecture;  // "LlamaForCausalLM"
  std::string_view model_type;    // "llama"
  BiasRule qkv_bias = BiasRule::never;
  BiasRule o_bias = BiasRule::never;
  BiasRule mlp_bias = BiasRule::never;
  std::int32_t default_kv_heads = 0;  // 0: as many as heads
  std::int32_t default_max_position = 0;
  std::optional<std::int32_t> default_eos;
  bool sliding_window = false;  // reads use_sliding_window, sliding_window, max_window_layers
};

// Throws BadModel about config.json: what is missing, out of range, or not supported, by name.
ModelConfig parse_model_config(std::string_view text, std::span<const ConfigRules> rules);

// Throws BadModel about generation_config.json: out of range, or a setting whose effect the engine
// lacks.
GenerationDefaults parse_generation_config(std::string_view text);

// Reads config.json.
ModelConfig read_model_config(const Folder& folder, std::span<const ConfigRules> rules);

// Reads generation_config.json; defaults where there is none.
GenerationDefaults read_generation_defaults(const Folder& folder);

}  // namespace gpumodel::engine::io

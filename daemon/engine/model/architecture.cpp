#include "engine/model/architecture.hpp"

#include <algorithm>
#include <array>

namespace gpumodel::engine::model {
namespace {

using io::BiasRule;

// Of transformers' models/llama and models/qwen2, which name their parts alike.
constexpr TensorNames kLlamaNames{
    .embedding = "model.embed_tokens",
    .final_norm = "model.norm",
    .lm_head = "lm_head",
    .attention_norm = "model.layers.{}.input_layernorm",
    .q = "model.layers.{}.self_attn.q_proj",
    .k = "model.layers.{}.self_attn.k_proj",
    .v = "model.layers.{}.self_attn.v_proj",
    .o = "model.layers.{}.self_attn.o_proj",
    .mlp_norm = "model.layers.{}.post_attention_layernorm",
    .gate = "model.layers.{}.mlp.gate_proj",
    .up = "model.layers.{}.mlp.up_proj",
    .down = "model.layers.{}.mlp.down_proj",
};

constexpr std::array kArchitectures{
    Architecture{.config = {.architecture = "LlamaForCausalLM",
                            .model_type = "llama",
                            .qkv_bias = BiasRule::attention_bias,
                            .o_bias = BiasRule::attention_bias,
                            .mlp_bias = BiasRule::mlp_bias,
                            .default_kv_heads = 0,
                            .default_max_position = 2048,
                            .default_eos = 2,
                            .sliding_window = false},
                 .names = kLlamaNames},
    Architecture{.config = {.architecture = "Qwen2ForCausalLM",
                            .model_type = "qwen2",
                            .qkv_bias = BiasRule::always,
                            .o_bias = BiasRule::never,
                            .mlp_bias = BiasRule::never,
                            .default_kv_heads = 32,
                            .default_max_position = 32768,
                            .default_eos = std::nullopt,
                            .sliding_window = true},
                 .names = kLlamaNames},
};

constexpr auto kConfigRules = [] {
  std::array<io::ConfigRules, kArchitectures.size()> rules{};
  for (std::size_t i = 0; i < rules.size(); ++i) rules[i] = kArchitectures[i].config;
  return rules;
}();

}  // namespace

std::span<const Architecture> architectures() { return kArchitectures; }

const Architecture* find_architecture(std::string_view name) {
  const auto row = std::find_if(
      kArchitectures.begin(), kArchitectures.end(),
      [name](const Architecture& candidate) { return candidate.config.architecture == name; });
  return row == kArchitectures.end() ? nullptr : &*row;
}

io::ModelConfig read_config(const io::Folder& folder) {
  return io::read_model_config(folder, kConfigRules);
}

io::ModelConfig parse_config(std::string_view text) {
  return io::parse_model_config(text, kConfigRules);
}

std::string tensor_name(std::string_view pattern, std::int32_t layer, std::string_view suffix) {
  std::string name(pattern);
  if (const std::size_t place = name.find("{}"); place != std::string::npos) {
    name.replace(place, 2, std::to_string(layer));
  }
  return name += suffix;
}

}  // namespace gpumodel::engine::model

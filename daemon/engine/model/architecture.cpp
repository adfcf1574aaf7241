#include "engine/model/architecture.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace gpumodel::engine::model {
namespace {

using io::Activation;
using io::BiasRule;
using io::WindowRule;

// Tensor names and defaults are those of transformers' models/ and its configuration classes.
constexpr TensorNames kLlamaNames{
    .embedding = "model.embed_tokens",
    .final_norm = "model.norm",
    .lm_head = "lm_head",
    .attention_norm = "model.layers.{}.input_layernorm",
    .qkv = {"model.layers.{}.self_attn.q_proj", "model.layers.{}.self_attn.k_proj",
            "model.layers.{}.self_attn.v_proj"},
    .q_norm = "",
    .k_norm = "",
    .o = "model.layers.{}.self_attn.o_proj",
    .post_attention_norm = "",
    .mlp_norm = "model.layers.{}.post_attention_layernorm",
    .gate_up = {"model.layers.{}.mlp.gate_proj", "model.layers.{}.mlp.up_proj"},
    .down = "model.layers.{}.mlp.down_proj",
    .post_mlp_norm = "",
};

constexpr TensorNames kQwen3Names = [] {
  TensorNames names = kLlamaNames;
  names.q_norm = "model.layers.{}.self_attn.q_norm";
  names.k_norm = "model.layers.{}.self_attn.k_norm";
  return names;
}();

constexpr TensorNames kGemma2Names = [] {
  TensorNames names = kLlamaNames;
  names.post_attention_norm = "model.layers.{}.post_attention_layernorm";
  names.mlp_norm = "model.layers.{}.pre_feedforward_layernorm";
  names.post_mlp_norm = "model.layers.{}.post_feedforward_layernorm";
  return names;
}();

constexpr TensorNames kGemma3Names = [] {
  TensorNames names = kGemma2Names;
  names.q_norm = kQwen3Names.q_norm;
  names.k_norm = kQwen3Names.k_norm;
  return names;
}();

constexpr TensorNames kPhi3Names = [] {
  TensorNames names = kLlamaNames;
  names.qkv = {"model.layers.{}.self_attn.qkv_proj", "", ""};
  names.gate_up = {"model.layers.{}.mlp.gate_up_proj", ""};
  return names;
}();

constexpr Architecture kLlama{.config = {.architecture = "LlamaForCausalLM",
                                         .model_type = "llama",
                                         .qkv_bias = BiasRule::attention_bias,
                                         .o_bias = BiasRule::attention_bias,
                                         .mlp_bias = BiasRule::mlp_bias,
                                         .default_max_position = 2048,
                                         .default_eos = 2},
                              .names = kLlamaNames};

constexpr Architecture kQwen2{.config = {.architecture = "Qwen2ForCausalLM",
                                         .model_type = "qwen2",
                                         .qkv_bias = BiasRule::always,
                                         .default_kv_heads = 32,
                                         .default_max_position = 32768,
                                         .window = WindowRule::later_layers,
                                         .default_window = 4096},
                              .names = kLlamaNames};

constexpr Architecture kQwen3{.config = {.architecture = "Qwen3ForCausalLM",
                                         .model_type = "qwen3",
                                         .qkv_bias = BiasRule::attention_bias,
                                         .o_bias = BiasRule::attention_bias,
                                         .default_kv_heads = 32,
                                         .default_head_dim = 128,
                                         .default_max_position = 32768,
                                         .window = WindowRule::later_layers,
                                         .default_window = 4096},
                              .names = kQwen3Names};

constexpr Architecture kMistral{.config = {.architecture = "MistralForCausalLM",
                                           .model_type = "mistral",
                                           .default_kv_heads = 8,
                                           .default_max_position = 131072,
                                           .default_eos = 2,
                                           .window = WindowRule::every_layer,
                                           .default_window = 4096},
                                .names = kLlamaNames};

constexpr Architecture kSmolLM3{
    .config = {.architecture = "SmolLM3ForCausalLM",
               .model_type = "smollm3",
               .qkv_bias = BiasRule::attention_bias,
               .o_bias = BiasRule::attention_bias,
               .mlp_bias = BiasRule::mlp_bias,
               .default_kv_heads = 4,
               .default_max_position = 32768,
               .default_eos = 128001,
               .default_tied = true,
               .window = WindowRule::unroped_layers,
               .rope = {.default_theta = 2000000.0, .skips_layers = true}},
    .names = kLlamaNames};

constexpr Architecture kGemma2{.config = {.architecture = "Gemma2ForCausalLM",
                                          .model_type = "gemma2",
                                          .qkv_bias = BiasRule::attention_bias,
                                          .o_bias = BiasRule::attention_bias,
                                          .default_kv_heads = 4,
                                          .default_head_dim = 256,
                                          .default_max_position = 8192,
                                          .default_eos = 1,
                                          .default_tied = true,
                                          .window = WindowRule::alternating,
                                          .default_window = 4096,
                                          .default_window_pattern = 2,
                                          .activation_key = "hidden_activation",
                                          .default_activation = Activation::gelu_tanh,
                                          .norm_offset = 1.0f,
                                          .scales_embedding = true,
                                          .default_query_scalar = 256,
                                          .default_attention_cap = 50.0f,
                                          .default_logit_cap = 30.0f},
                               .names = kGemma2Names};

constexpr Architecture kGemma3{
    .config = {.architecture = "Gemma3ForCausalLM",
               .model_type = "gemma3_text",
               .qkv_bias = BiasRule::attention_bias,
               .o_bias = BiasRule::attention_bias,
               .default_kv_heads = 4,
               .default_head_dim = 256,
               .default_max_position = 131072,
               .default_eos = 1,
               .default_tied = true,
               .window = WindowRule::alternating,
               .default_window = 4096,
               .default_window_pattern = 6,
               .reads_window_pattern = true,
               .rope = {.default_theta = 1000000.0, .default_local_theta = 10000.0},
               .activation_key = "hidden_activation",
               .default_activation = Activation::gelu_tanh,
               .norm_offset = 1.0f,
               .scales_embedding = true,
               .default_query_scalar = 256,
               .default_logit_cap = 0.0f},
    .names = kGemma3Names};

constexpr Architecture kPhi3{.config = {.architecture = "Phi3ForCausalLM",
                                        .model_type = "phi3",
                                        .default_max_position = 4096,
                                        .default_eos = 32000,
                                        .default_rms_norm_eps = 1e-5,
                                        .window = WindowRule::every_layer,
                                        .rope = {.partial = true,
                                                 .default_original_max_position = 4096,
                                                 .only_longrope = true}},
                             .names = kPhi3Names};

constexpr std::array kArchitectures{kLlama,   kQwen2,  kQwen3,  kMistral,
                                    kSmolLM3, kGemma2, kGemma3, kPhi3};

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

const Architecture& architecture_of(const io::ModelConfig& config) {
  const Architecture* row = find_architecture(config.architecture);
  if (row == nullptr) throw std::invalid_argument("no architecture " + config.architecture);
  return *row;
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

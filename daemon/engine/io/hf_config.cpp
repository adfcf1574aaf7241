#include "engine/io/hf_config.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/io/config_fields.hpp"
#include "engine/io/layer_pattern.hpp"
#include "engine/io/printable.hpp"
#include "engine/io/rope_config.hpp"

namespace gpumodel::engine::io {
namespace {

constexpr const char* kFile = "config.json";

// Ranges that hold every model in use and keep every product within 63 bits: the largest, of all
// layers' bytes, is 2^12 layers * 3 * 2^20 intermediate * 2^18 hidden * 4 bytes < 2^54.
constexpr std::int64_t kMaxHidden = 1 << 18;
constexpr std::int64_t kMaxLayers = 1 << 12;
constexpr std::int64_t kMaxHeads = 1 << 12;
constexpr std::int64_t kMaxHeadDim = 1 << 12;
constexpr std::int64_t kMaxIntermediate = 1 << 20;
constexpr std::int64_t kMaxVocab = 1 << 24;
constexpr std::int64_t kMaxPosition = 1 << 27;

constexpr double kMaxCap = 1e6;

std::string supported_names(std::span<const ConfigRules> rules) {
  std::string names;
  for (const ConfigRules& row : rules) {
    if (!names.empty()) names += ", ";
    names += row.architecture;
  }
  return names;
}

std::string named_architecture(const ConfigFields& config) {
  const nlohmann::json* list = config.find("architectures");
  if (list == nullptr || (list->is_array() && list->empty())) return "";
  if (!list->is_array() || !list->front().is_string()) {
    config.fail("architectures", "is not an array of names");
  }
  return list->front().get<std::string>();
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// The row by architectures[0], or where that is absent by model_type, which is what transformers
// goes by.
const ConfigRules& choose_rules(const ConfigFields& config, std::span<const ConfigRules> rules) {
  const std::string name = named_architecture(config);
  const std::string type = config.text("model_type").value_or("");
  const auto row = std::find_if(rules.begin(), rules.end(), [&](const ConfigRules& candidate) {
    return name.empty() ? candidate.model_type == type : candidate.architecture == name;
  });
  if (row != rules.end()) {
    if (!type.empty() && type != row->model_type) {
      config.fail("model_type", "is " + printable(type) + ", but " + name + " is of type " +
                                    std::string(row->model_type));
    }
    return *row;
  }
  if (name.empty()) {
    if (type.empty()) throw BadModel(kFile, "names neither architectures nor model_type");
    throw BadModel(kFile, "model_type " + printable(type) + " is not supported; supported are " +
                              supported_names(rules));
  }
  const bool generates = ends_with(name, "ForCausalLM") || ends_with(name, "LMHeadModel") ||
                         ends_with(name, "ForConditionalGeneration");
  if (!generates) throw BadModel(kFile, printable(name) + " does not generate text");
  throw BadModel(kFile,
                 printable(name) + " is not supported; supported are " + supported_names(rules));
}

// Options that change what the layers compute and that no row implements, or not every row. Each is
// harmless where it is absent, null, false or the value here.
struct NeutralOption {
  const char* key;
  double neutral;
};
constexpr std::array kNeutralOptions{
    NeutralOption{"partial_rotary_factor", 1.0},
    NeutralOption{"final_logit_softcapping", 0.0},
    NeutralOption{"attn_logit_softcapping", 0.0},
    NeutralOption{"logit_scale", 1.0},
    NeutralOption{"logits_scaling", 1.0},
    NeutralOption{"attention_multiplier", 0.0},
    NeutralOption{"embedding_multiplier", 1.0},
    NeutralOption{"residual_multiplier", 1.0},
    NeutralOption{"use_qk_norm", 0.0},
    NeutralOption{"qk_layernorm", 0.0},
    NeutralOption{"is_encoder_decoder", 0.0},
    NeutralOption{"add_cross_attention", 0.0},
    NeutralOption{"attention_sinks", 0.0},
    NeutralOption{"num_local_experts", 0.0},
    NeutralOption{"num_experts", 0.0},
    NeutralOption{"use_bidirectional_attention", 0.0},
};

bool implements(const ConfigRules& rules, std::string_view key) {
  if (key == "partial_rotary_factor") return rules.rope.partial;
  if (key == "final_logit_softcapping") return rules.default_logit_cap.has_value();
  if (key == "attn_logit_softcapping") return rules.default_attention_cap.has_value();
  return false;
}

void refuse_unsupported_options(const ConfigFields& config, const ConfigRules& rules) {
  if (const nlohmann::json* quantised = config.find("quantization_config")) {
    std::string method = "of another program";
    if (quantised->is_object() && quantised->contains("quant_method")) {
      method = shown_value((*quantised)["quant_method"]);
    }
    config.unsupported("quantization_config", method);
  }
  for (const auto& [key, neutral] : kNeutralOptions) {
    const nlohmann::json* value = config.find(key);
    if (value == nullptr || implements(rules, key)) continue;
    const bool harmless = (value->is_boolean() && !value->get<bool>()) ||
                          (value->is_number() && value->get<double>() == neutral);
    if (!harmless) config.unsupported(key, shown_value(*value));
  }
}

struct NamedActivation {
  std::string_view name;
  Activation activation;
};
constexpr std::array kActivations{
    NamedActivation{"silu", Activation::silu},
    NamedActivation{"swish", Activation::silu},
    NamedActivation{"gelu_pytorch_tanh", Activation::gelu_tanh},
    NamedActivation{"gelu_new", Activation::gelu_tanh},
};

Activation read_activation(const ConfigFields& config, const ConfigRules& rules) {
  const std::optional<std::string> name = config.text(rules.activation_key);
  if (!name) return rules.default_activation;
  for (const NamedActivation& known : kActivations) {
    if (known.name == *name) return known.activation;
  }
  config.unsupported(rules.activation_key, printable(*name));
}

// null is none, as in transformers; so is an option that the architecture lacks.
float read_cap(const ConfigFields& config, const char* key, std::optional<float> otherwise) {
  if (!otherwise || config.is_null(key)) return 0.0f;
  const std::optional<double> cap = config.number(key);
  if (!cap) return *otherwise;
  if (!(*cap > 0.0 && *cap <= kMaxCap)) {
    config.fail(key,
                "is " + shown_value(*config.find(key)) + ", expected null or a number above 0");
  }
  return static_cast<float>(*cap);
}

void read_scales(const ConfigFields& config, const ConfigRules& rules, ModelConfig& model) {
  double of_queries = model.head_dim;
  if (rules.default_query_scalar > 0) {
    constexpr double kSmallest = 1e-3;
    of_queries = config.number("query_pre_attn_scalar", kSmallest, kMaxCap)
                     .value_or(rules.default_query_scalar);
  }
  model.attention_scale = static_cast<float>(1.0 / std::sqrt(of_queries));
  model.attention_softcap = read_cap(config, "attn_logit_softcapping", rules.default_attention_cap);
  model.logit_softcap = read_cap(config, "final_logit_softcapping", rules.default_logit_cap);
  if (rules.scales_embedding) {
    model.embedding_scale = std::sqrt(static_cast<float>(model.hidden_size));
  }
  model.norm_offset = rules.norm_offset;
  model.rms_norm_eps = static_cast<float>(
      config.number("rms_norm_eps", 0.0, 1.0).value_or(rules.default_rms_norm_eps));
}

std::optional<DType> read_dtype(const ConfigFields& config) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    const std::optional<std::string> name = config.text(key);
    if (!name) continue;
    if (*name == "float32") return DType::f32;
    if (*name == "float16") return DType::f16;
    if (*name == "bfloat16") return DType::bf16;
    config.unsupported(key, printable(*name));
  }
  return std::nullopt;
}

void read_shape(const ConfigFields& config, const ConfigRules& rules, ModelConfig& model) {
  const auto count = [&config](const char* key, std::int64_t high) {
    return static_cast<std::int32_t>(config.required_integer(key, 1, high));
  };
  model.hidden_size = count("hidden_size", kMaxHidden);
  model.layers = count("num_hidden_layers", kMaxLayers);
  model.heads = count("num_attention_heads", kMaxHeads);
  model.intermediate_size = count("intermediate_size", kMaxIntermediate);
  model.vocab_size = count("vocab_size", kMaxVocab);
  // An explicit null, too, is as many as heads.
  const bool all_heads = rules.default_kv_heads == 0 || config.is_null("num_key_value_heads");
  const std::int32_t default_kv = all_heads ? model.heads : rules.default_kv_heads;
  model.kv_heads = static_cast<std::int32_t>(
      config.integer("num_key_value_heads", 1, kMaxHeads).value_or(default_kv));
  if (model.heads % model.kv_heads != 0) {
    config.fail("num_attention_heads", "is " + std::to_string(model.heads) +
                                           ", not a multiple of num_key_value_heads " +
                                           std::to_string(model.kv_heads));
  }
  const bool divides = !config.has("head_dim") && rules.default_head_dim == 0;
  if (divides && model.hidden_size % model.heads != 0) {
    config.fail("hidden_size", "is " + std::to_string(model.hidden_size) +
                                   ", not a multiple of num_attention_heads " +
                                   std::to_string(model.heads));
  }
  model.head_dim = static_cast<std::int32_t>(
      config.integer("head_dim", 1, kMaxHeadDim)
          .value_or(divides ? model.hidden_size / model.heads : rules.default_head_dim));
  if (model.head_dim < 2 || model.head_dim % 2 != 0 || model.head_dim > kMaxHeadDim) {
    config.fail("head_dim", "is " + std::to_string(model.head_dim) +
                                ", expected an even number to " + std::to_string(kMaxHeadDim));
  }
  model.max_position =
      static_cast<std::int32_t>(config.integer("max_position_embeddings", 1, kMaxPosition)
                                    .value_or(rules.default_max_position));
}

bool has_bias(BiasRule rule, const ConfigFields& config) {
  switch (rule) {
    case BiasRule::never:
      return false;
    case BiasRule::always:
      return true;
    case BiasRule::attention_bias:
      return config.boolean("attention_bias").value_or(false);
    case BiasRule::mlp_bias:
      return config.boolean("mlp_bias").value_or(false);
  }
  return false;
}

}  // namespace

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "fp32";
    case DType::f16:
      return "fp16";
    case DType::bf16:
      return "bf16";
  }
  return "?";
}

ModelConfig parse_model_config(std::string_view text, std::span<const ConfigRules> rules) {
  const ConfigFields config(text, kFile);
  const ConfigRules& row = choose_rules(config, rules);
  refuse_unsupported_options(config, row);

  ModelConfig model;
  model.architecture = row.architecture;
  read_shape(config, row, model);
  read_ropes(config, row.rope, model);
  model.by_layer = read_layers(config, row, model.layers);
  model.activation = read_activation(config, row);
  read_scales(config, row, model);
  model.tied_embeddings = config.boolean("tie_word_embeddings").value_or(row.default_tied);
  model.qkv_bias = has_bias(row.qkv_bias, config);
  model.o_bias = has_bias(row.o_bias, config);
  model.mlp_bias = has_bias(row.mlp_bias, config);
  model.checkpoint_dtype = read_dtype(config);
  model.eos_token_ids = config.token_ids("eos_token_id");
  if (model.eos_token_ids.empty() && row.default_eos) model.eos_token_ids = {*row.default_eos};
  return model;
}

ModelConfig read_model_config(const Folder& folder, std::span<const ConfigRules> rules) {
  // Files of the sentence-transformers package: an embedding model may be of an architecture that
  // generates text, and hold no head that could.
  for (const char* name : {"modules.json", "config_sentence_transformers.json"}) {
    if (folder.find_file(name)) {
      throw BadModel(name, "says that this is an embedding model, which does not generate text");
    }
  }
  return parse_model_config(folder.read_text(kFile, kMaxJsonBytes), rules);
}

}  // namespace gpumodel::engine::io

#include "engine/io/hf_config.hpp"

#include <algorithm>
#include <array>

#include "engine/io/config_fields.hpp"
#include "engine/io/printable.hpp"

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

constexpr double kDefaultRopeTheta = 10000.0;
constexpr double kDefaultRmsNormEps = 1e-6;
constexpr std::int64_t kDefaultMaxWindowLayers = 28;  // Qwen2Config

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

// Options that change what the layers compute and that no row implements. Each is harmless where it
// is absent, null, false, zero, one of the values here, or empty.
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

void refuse_unsupported_options(const ConfigFields& config) {
  if (const nlohmann::json* quantised = config.find("quantization_config")) {
    std::string method = "of another program";
    if (quantised->is_object() && quantised->contains("quant_method")) {
      method = shown_value((*quantised)["quant_method"]);
    }
    config.unsupported("quantization_config", method);
  }
  for (const auto& [key, neutral] : kNeutralOptions) {
    const nlohmann::json* value = config.find(key);
    if (value == nullptr) continue;
    const bool harmless = (value->is_boolean() && !value->get<bool>()) ||
                          (value->is_number() && value->get<double>() == neutral);
    if (!harmless) config.unsupported(key, shown_value(*value));
  }
  const std::string activation = config.text("hidden_act").value_or("silu");
  if (activation != "silu" && activation != "swish") {
    config.unsupported("hidden_act", printable(activation));
  }
}

// rope_scaling of transformers 4 ("type" or "rope_type", theta beside it) and rope_parameters of 5.
void check_rope_kind(const ConfigFields& rope) {
  for (const char* key : {"rope_type", "type"}) {
    const std::string kind = rope.text(key).value_or("default");
    if (kind != "default") rope.unsupported(key, printable(kind));
  }
  const double rotated = rope.number("partial_rotary_factor").value_or(1.0);
  if (rotated != 1.0) rope.unsupported("partial_rotary_factor", std::to_string(rotated));
}

RopeConfig read_rope(const ConfigFields& config) {
  std::optional<double> theta = config.number("rope_theta");
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const nlohmann::json* value = config.find(key);
    if (value == nullptr) continue;
    if (!value->is_object()) config.fail(key, "is not an object");
    const ConfigFields rope(*value, config.file(), std::string(key) + ".");
    check_rope_kind(rope);
    if (const std::optional<double> inner = rope.number("rope_theta")) theta = inner;
    for (const auto& [name, nested] : value->items()) {
      // Parameters by layer type.
      if (nested.is_object()) rope.unsupported(printable(name), "(for some layers only)");
    }
  }
  const RopeConfig rope{theta.value_or(kDefaultRopeTheta)};
  if (!(rope.theta >= 1.0 && rope.theta <= 1e15)) {
    config.fail("rope_theta", "is " + std::to_string(rope.theta) + ", expected 1 to 1e15");
  }
  return rope;
}

// A window counts only where use_sliding_window is set and a layer is beyond max_window_layers.
void refuse_sliding_window(const ConfigFields& config, const ConfigRules& rules,
                           std::int32_t layers) {
  if (const nlohmann::json* types = config.find("layer_types")) {
    if (!types->is_array()) config.fail("layer_types", "is not an array");
    for (const nlohmann::json& type : *types) {
      if (type != "full_attention") config.unsupported("layer_types", shown_value(type));
    }
    return;
  }
  if (!rules.sliding_window || !config.boolean("use_sliding_window").value_or(false)) return;
  const std::int64_t first =
      config.integer("max_window_layers", 0, kMaxLayers).value_or(kDefaultMaxWindowLayers);
  if (layers > first) config.unsupported("use_sliding_window", "true");
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
  const std::int32_t default_kv = rules.default_kv_heads > 0 ? rules.default_kv_heads : model.heads;
  model.kv_heads = static_cast<std::int32_t>(
      config.integer("num_key_value_heads", 1, kMaxHeads).value_or(default_kv));
  if (model.heads % model.kv_heads != 0) {
    config.fail("num_attention_heads", "is " + std::to_string(model.heads) +
                                           ", not a multiple of num_key_value_heads " +
                                           std::to_string(model.kv_heads));
  }
  if (!config.has("head_dim") && model.hidden_size % model.heads != 0) {
    config.fail("hidden_size", "is " + std::to_string(model.hidden_size) +
                                   ", not a multiple of num_attention_heads " +
                                   std::to_string(model.heads));
  }
  model.head_dim = static_cast<std::int32_t>(
      config.integer("head_dim", 1, kMaxHeadDim).value_or(model.hidden_size / model.heads));
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
  refuse_unsupported_options(config);

  ModelConfig model;
  model.architecture = row.architecture;
  read_shape(config, row, model);
  refuse_sliding_window(config, row, model.layers);
  model.rope = read_rope(config);
  const double eps = config.number("rms_norm_eps").value_or(kDefaultRmsNormEps);
  if (!(eps >= 0.0 && eps <= 1.0)) config.fail("rms_norm_eps", "is not between 0 and 1");
  model.rms_norm_eps = static_cast<float>(eps);
  model.tied_embeddings = config.boolean("tie_word_embeddings").value_or(false);
  model.qkv_bias = has_bias(row.qkv_bias, config);
  model.o_bias = has_bias(row.o_bias, config);
  model.mlp_bias = has_bias(row.mlp_bias, config);
  model.checkpoint_dtype = read_dtype(config);
  model.eos_token_ids = config.token_ids("eos_token_id");
  if (model.eos_token_ids.empty() && row.default_eos) model.eos_token_ids = {*row.default_eos};
  return model;
}

ModelConfig read_model_config(const Folder& folder, std::span<const ConfigRules> rules) {
  return parse_model_config(folder.read_text(kFile, kMaxJsonBytes), rules);
}

}  // namespace gpumodel::engine::io

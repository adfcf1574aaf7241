#include "engine/io/adapter_config.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "engine/io/config_fields.hpp"
#include "engine/io/printable.hpp"

namespace gpumodel::engine::io {
namespace {

constexpr double kMostAlpha = 1e6;
constexpr std::size_t kMaxPatterns = 4096;
constexpr std::size_t kMaxPatternBytes = 1024;

// Read here, or of no consequence for what a trained adapter computes.
constexpr std::array<std::string_view, 27> kUnderstood = {"alpha_pattern",
                                                          "auto_mapping",
                                                          "base_model_name_or_path",
                                                          "bias",
                                                          "corda_config",
                                                          "ensure_weight_tying",
                                                          "eva_config",
                                                          "exclude_modules",
                                                          "inference_mode",
                                                          "init_lora_weights",
                                                          "layers_pattern",
                                                          "layers_to_transform",
                                                          "loftq_config",
                                                          "lora_alpha",
                                                          "lora_dropout",
                                                          "lora_ga_config",
                                                          "megatron_core",
                                                          "peft_type",
                                                          "peft_version",
                                                          "qalora_group_size",
                                                          "r",
                                                          "rank_pattern",
                                                          "revision",
                                                          "runtime_config",
                                                          "target_modules",
                                                          "task_type",
                                                          "use_rslora"};

// What a refusal calls them; another key is called by its name alone.
struct Named {
  std::string_view key;
  const char* what;
};
constexpr Named kNamed[] = {
    {"use_dora", "DoRA is not supported"},
    {"modules_to_save",
     "retrained modules beside LoRA are not supported; merge them into the base"},
    {"trainable_token_indices", "retrained tokens are not supported; merge them into the base"},
    {"lora_bias", "a bias of lora_B is not supported"},
    {"fan_in_fan_out", "transposed weights (Conv1D) are not supported"},
    {"layer_replication", "replicated layers are not supported"},
    {"target_parameters", "adapted parameters outside of linear modules are not supported"},
    {"use_bdlora", "block-diagonal LoRA is not supported"},
    {"use_qalora", "QALoRA is not supported"},
    {"kasa_config", "KaSA is not supported"},
    {"arrow_config", "Arrow routing is not supported"},
    {"alora_invocation_tokens", "activated LoRA is not supported"},
    {"megatron_config", "Megatron's parallel modules are not supported"},
    {"monteclora_config", "MonteCLoRA is not supported"},
};

// Initialisations that leave the base's weights as they are; with any other, PEFT changes them when
// it loads the adapter.
constexpr std::array<std::string_view, 4> kHarmlessInit = {"gaussian", "eva", "orthogonal", "mica"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& known, std::string_view word) {
  return std::find(known.begin(), known.end(), word) != known.end();
}

bool is_off(const nlohmann::json& value) {
  return value.is_null() || value == false || value == 0 || value == "" ||
         (value.is_structured() && value.empty());
}

void check_kind(const ConfigFields& fields) {
  const std::string type = fields.text("peft_type").value_or("");
  if (type.empty()) fields.fail("peft_type", "is missing");
  if (type != "LORA") fields.unsupported("peft_type", "\"" + printable(type) + "\"");
  const std::string task = fields.text("task_type").value_or("CAUSAL_LM");
  if (task != "CAUSAL_LM") fields.unsupported("task_type", "\"" + printable(task) + "\"");
  const std::string bias = fields.text("bias").value_or("none");
  if (bias != "none") fields.unsupported("bias", "\"" + printable(bias) + "\"");
}

void check_initialisation(const ConfigFields& fields) {
  const nlohmann::json* init = fields.find("init_lora_weights");
  if (init == nullptr || init->is_boolean()) return;
  if (init->is_string() && is_one_of(kHarmlessInit, init->get<std::string>())) return;
  fields.fail("init_lora_weights",
              "is " + shown_value(*init) +
                  ", which changes the base's weights, or is unknown; convert the adapter to plain "
                  "LoRA (PEFT's save_pretrained with path_initial_model_for_weight_conversion)");
}

void check_rest(const ConfigFields& fields) {
  for (const auto& [key, value] : fields.json().items()) {
    if (is_one_of(kUnderstood, key) || is_off(value)) continue;
    const auto* named = std::find_if(std::begin(kNamed), std::end(kNamed),
                                     [&](const Named& one) { return one.key == key; });
    if (named != std::end(kNamed))
      fields.fail(std::string(key), std::string("is set: ") + named->what);
    fields.fail(printable(key),
                "is set and unknown, and may change what the adapter computes; only plain LoRA is "
                "supported");
  }
}

// nlohmann's ordinary objects forget the order, which decides.
std::vector<ModuleValue> patterns(const ConfigFields& fields, std::string_view text,
                                  const char* key) {
  const nlohmann::json* there = fields.find(key);
  if (there == nullptr) return {};
  if (!there->is_object()) fields.fail(key, "is " + shown_value(*there) + ", expected an object");
  const auto ordered = nlohmann::ordered_json::parse(text).at(key);
  if (ordered.size() > kMaxPatterns)
    fields.fail(key, "has more than " + std::to_string(kMaxPatterns) + " entries");
  std::vector<ModuleValue> values;
  for (const auto& [pattern, value] : ordered.items()) {
    if (pattern.size() > kMaxPatternBytes)
      fields.fail(key,
                  "has an expression of more than " + std::to_string(kMaxPatternBytes) + " bytes");
    if (!value.is_number() || !(std::abs(value.get<double>()) <= kMostAlpha))
      fields.fail(key,
                  "of " + printable(pattern) + " is " + shown_value(value) + ", expected a number");
    values.push_back({pattern, value.get<double>()});
  }
  return values;
}

}  // namespace

double AdapterConfig::scale(double own_alpha, std::int32_t own_rank) const {
  return own_alpha / (rslora ? std::sqrt(own_rank) : own_rank);
}

AdapterConfig parse_adapter_config(std::string_view text) {
  const ConfigFields fields(text, kAdapterConfigName);
  check_kind(fields);
  check_initialisation(fields);
  check_rest(fields);
  AdapterConfig config;
  config.rank =
      static_cast<std::int32_t>(fields.integer("r", 1, kMaxAdapterRank).value_or(config.rank));
  config.alpha = fields.number("lora_alpha", -kMostAlpha, kMostAlpha).value_or(config.alpha);
  config.rslora = fields.boolean("use_rslora").value_or(false);
  config.ranks = patterns(fields, text, "rank_pattern");
  config.alphas = patterns(fields, text, "alpha_pattern");
  for (const ModuleValue& own : config.ranks)
    if (own.value < 1 || own.value > kMaxAdapterRank || own.value != std::floor(own.value))
      fields.fail("rank_pattern", "of " + printable(own.pattern) +
                                      " is not a whole number from 1 to " +
                                      std::to_string(kMaxAdapterRank));
  return config;
}

}  // namespace gpumodel::engine::io

#include <array>
#include <cmath>
#include <limits>

#include "engine/io/config_fields.hpp"
#include "engine/io/hf_config.hpp"

namespace gpumodel::engine::io {
namespace {

constexpr const char* kFile = "generation_config.json";

// Settings of transformers' GenerationConfig that change which tokens come out and that the engine
// does not have, with the value at which each changes nothing.
struct NeutralSetting {
  const char* key;
  double neutral;
};
constexpr std::array kNeutralSettings{
    NeutralSetting{"num_beams", 1},
    NeutralSetting{"num_beam_groups", 1},
    NeutralSetting{"penalty_alpha", 0},
    NeutralSetting{"no_repeat_ngram_size", 0},
    NeutralSetting{"encoder_no_repeat_ngram_size", 0},
    NeutralSetting{"encoder_repetition_penalty", 1},
    NeutralSetting{"typical_p", 1},
    NeutralSetting{"epsilon_cutoff", 0},
    NeutralSetting{"eta_cutoff", 0},
    NeutralSetting{"top_h", 0},
    NeutralSetting{"guidance_scale", 1},
    NeutralSetting{"diversity_penalty", 0},
    NeutralSetting{"min_length", 0},
    NeutralSetting{"min_new_tokens", 0},
};

// Lists and maps that must be absent or empty.
constexpr std::array kEmptySettings{
    "bad_words_ids",         "force_words_ids",
    "constraints",           "suppress_tokens",
    "begin_suppress_tokens", "sequence_bias",
    "forced_decoder_ids",    "forced_bos_token_id",
    "forced_eos_token_id",   "exponential_decay_length_penalty",
    "watermarking_config",   "dola_layers",
};

void refuse_unsupported_settings(const ConfigFields& config) {
  for (const auto& [key, neutral] : kNeutralSettings) {
    const std::optional<double> value = config.number(key);
    if (value && *value != neutral) config.unsupported(key, shown_value(*config.find(key)));
  }
  for (const char* key : kEmptySettings) {
    const nlohmann::json* value = config.find(key);
    if (value != nullptr && !(value->is_structured() && value->empty())) {
      config.unsupported(key, shown_value(*value));
    }
  }
}

float ranged(const ConfigFields& config, const char* key, double low, double high,
             float otherwise) {
  const std::optional<double> value = config.number(key);
  if (!value) return otherwise;
  if (!(*value >= low && *value <= high)) {
    config.fail(key, "is " + shown_value(*config.find(key)) + ", which is out of range");
  }
  return static_cast<float>(*value);
}

}  // namespace

GenerationDefaults parse_generation_config(std::string_view text) {
  const ConfigFields config(text, kFile);
  refuse_unsupported_settings(config);
  GenerationDefaults defaults;
  constexpr double kLargest = 1e6;
  constexpr double kSmallestPenalty = 1e-6;
  defaults.do_sample = config.boolean("do_sample").value_or(defaults.do_sample);
  defaults.temperature = ranged(config, "temperature", 0.0, kLargest, defaults.temperature);
  defaults.top_p = ranged(config, "top_p", 0.0, 1.0, defaults.top_p);
  defaults.min_p = ranged(config, "min_p", 0.0, 1.0, defaults.min_p);
  defaults.repetition_penalty =
      ranged(config, "repetition_penalty", kSmallestPenalty, kLargest, defaults.repetition_penalty);
  defaults.top_k =
      static_cast<std::int32_t>(config.integer("top_k", 0, std::numeric_limits<std::int32_t>::max())
                                    .value_or(defaults.top_k));
  defaults.eos_token_ids = config.token_ids("eos_token_id");
  return defaults;
}

GenerationDefaults read_generation_defaults(const Folder& folder) {
  const std::optional<std::string> text = folder.find_text(kFile, kMaxJsonBytes);
  return text ? parse_generation_config(*text) : GenerationDefaults{};
}

}  // namespace gpumodel::engine::io

// What config.json says about a decoder-only language model, checked, in one form for all
// architectures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gpumodel::engine::io {

enum class DType { f32, f16, bf16 };

constexpr std::size_t dtype_bytes(DType dtype) { return dtype == DType::f32 ? 4 : 2; }
// "fp32", "fp16", "bf16": as in configurations and reports.
const char* dtype_name(DType dtype);

// Of the gated feed-forward's gate.
enum class Activation {
  silu,      // x / (1 + e^-x)
  gelu_tanh  // x / 2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))
};

// Rotary position embedding (Su et al. 2021, arXiv:2104.09864), ready to use whatever its kind was:
// the token at `position` turns the i-th pair of dimensions by position * frequencies[i]; cosines
// and sines are multiplied by `magnitude`.
struct RopeConfig {
  std::vector<float> frequencies;  // one to head_dim / 2; a head's dimensions behind pass unturned
  float magnitude = 1.0f;

  std::int32_t rotary_dim() const { return 2 * static_cast<std::int32_t>(frequencies.size()); }
};

// What tells the layers of one model apart.
struct LayerConfig {
  std::int32_t window = 0;  // tokens that a query sees, its own the last of them; 0: all before it
  std::int32_t rope = 0;    // index into ModelConfig::ropes, or kNoRope

  static constexpr std::int32_t kNoRope = -1;
};

// Counts are at least 1 and products of them fit in 63 bits; heads is a multiple of kv_heads;
// head_dim is even.
struct ModelConfig {
  std::string architecture;  // architectures[0], a row of model/architecture.hpp
  std::int32_t hidden_size = 0;
  std::int32_t layers = 0;
  std::int32_t heads = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;
  std::int32_t intermediate_size = 0;
  std::int32_t vocab_size =
      0;  // rows of the embedding, columns of the logits; may exceed the tokenizer's
  std::int32_t max_position = 0;  // up to which the engine's rotary embedding is transformers'
  float rms_norm_eps = 1e-6f;
  float norm_offset = 0.0f;  // norms multiply by this plus their weight
  std::vector<RopeConfig> ropes;
  std::vector<LayerConfig> by_layer;  // `layers` of them
  Activation activation = Activation::silu;
  float attention_scale = 0.0f;    // of query-key products
  float attention_softcap = 0.0f;  // c: scores become c * tanh(score / c); 0: they stay
  float logit_softcap = 0.0f;      // likewise
  float embedding_scale = 1.0f;    // of the rows that enter the first layer
  bool tied_embeddings = false;
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  std::optional<DType> checkpoint_dtype;    // dtype or torch_dtype; where absent the tensors tell
  std::vector<std::int32_t> eos_token_ids;  // from config.json; generation_config.json's come apart

  // A row of all rope tables side by side.
  std::int64_t rope_columns() const {
    std::int64_t columns = 0;
    for (const RopeConfig& rope : ropes) columns += rope.rotary_dim();
    return columns;
  }
};

// generation_config.json: defaults of transformers' GenerationConfig where the file or a key is
// absent.
struct GenerationDefaults {
  bool do_sample = false;
  float temperature = 1.0f;
  float top_p = 1.0f;
  std::int32_t top_k = 50;
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;
  std::vector<std::int32_t> eos_token_ids;  // empty: none given
};

}  // namespace gpumodel::engine::io

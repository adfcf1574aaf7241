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

// Rotary position embedding (Su et al. 2021, arXiv:2104.09864) as transformers computes it.
struct RopeConfig {
  double theta = 10000.0;
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
  std::int32_t max_position = 0;
  float rms_norm_eps = 1e-6f;
  RopeConfig rope;
  bool tied_embeddings = false;
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  std::optional<DType> checkpoint_dtype;    // dtype or torch_dtype; where absent the tensors tell
  std::vector<std::int32_t> eos_token_ids;  // from config.json; generation_config.json's come apart
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

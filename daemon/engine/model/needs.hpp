// What a model needs of a device's memory, computed from its headers before anything is loaded.
#pragma once

#include <cstdint>

#include "engine/io/model_config.hpp"

namespace gpumodel::engine::model {

struct Layout;

// Rows (one per token, of all sequences together) in one step of the decoder, and rows of one step
// of which logits are wanted. The scheduler never exceeds them; the buffers below are sized by
// them.
inline constexpr std::int64_t kMaxStepRows = 512;
inline constexpr std::int64_t kMaxLogitRows = 64;

// Bytes of one KV element: 2 for fp16 and bf16 weights, 4 for fp32.
constexpr std::int64_t kv_element_bytes(io::DType weights) {
  return static_cast<std::int64_t>(io::dtype_bytes(weights));
}

// The decoder's buffers, all of one lifetime, in bytes; the decoder lays out exactly these, in this
// order (workspace.hpp). Activations are float whatever the dtype:
//   float[kMaxStepRows]  residual (hidden), normed input (hidden), rope tables
//                        (rope_columns), qkv (heads + 2*kv_heads) * head_dim, attention output
//                        heads * head_dim, gate_up 2 * intermediate, activated intermediate
//   float[kMaxLogitRows] logits (vocab)
// each rounded up to 64 bytes, the sum to a page.
std::uint64_t workspace_bytes(const io::ModelConfig& config);

struct Needs {
  std::uint64_t tensor_bytes = 0;        // the arena, in whole pages
  std::uint64_t kv_bytes_per_token = 0;  // 2 * layers * kv_heads * head_dim * kv_element_bytes
  std::uint64_t workspace_bytes = 0;
};

Needs compute_needs(const Layout& layout, const io::ModelConfig& config);

}  // namespace gpumodel::engine::model

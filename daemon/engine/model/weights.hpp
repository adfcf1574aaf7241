// Views of one model's tensors in an arena, in the form in which the decoder uses them.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/device/matrix.hpp"
#include "engine/io/model_config.hpp"

namespace gpumodel::engine::model {

using device::MatrixFormat;
using device::MatrixView;  // borrowed from an arena

struct LayerWeights {
  const float* attention_norm = nullptr;  // (hidden)
  MatrixView qkv;                         // (heads*head_dim + 2*kv_heads*head_dim, hidden): q, k, v
  const float* qkv_bias = nullptr;        // (qkv.rows) or none
  const float* q_norm = nullptr;          // (head_dim) or none, of every query head
  const float* k_norm = nullptr;          // (head_dim) or none, of every key head
  MatrixView o;                           // (hidden, heads*head_dim)
  const float* o_bias = nullptr;          // (hidden) or none
  const float* post_attention_norm = nullptr;  // (hidden) or none, of what attention adds
  const float* mlp_norm = nullptr;             // (hidden)
  MatrixView gate_up;                          // (2*intermediate, hidden): gate, up
  const float* gate_up_bias = nullptr;         // (2*intermediate) or none
  MatrixView down;                             // (hidden, intermediate)
  const float* down_bias = nullptr;            // (hidden) or none
  const float* post_mlp_norm = nullptr;        // (hidden) or none, of what the feed-forward adds
};

// Norms and biases are kept as float whatever the matrices are: they are small, and read by every
// kernel.
struct ModelWeights {
  io::DType dtype = io::DType::f32;  // of keys and values, and of what multiplies the embedding
  MatrixView embedding;              // (vocab, hidden)
  std::vector<LayerWeights> layers;
  const float* final_norm = nullptr;  // (hidden)
  MatrixView lm_head;                 // (vocab, hidden); the embedding itself where tied
};

}  // namespace gpumodel::engine::model

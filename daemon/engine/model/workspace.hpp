// Where the decoder's buffers lie in its workspace.
#pragma once

#include <cstddef>

#include "engine/io/model_config.hpp"

namespace gpumodel::engine::model {

// Device memory; rows are kMaxStepRows, logit rows kMaxLogitRows. Everything is overwritten by
// every step.
struct Workspace {
  float* residual;    // (rows, hidden)
  float* normed;      // (rows, hidden)
  float* rope;        // of each rope in turn (rows, its rotary_dim)
  float* qkv;         // (rows, (heads + 2*kv_heads) * head_dim)
  float* attention;   // (rows, heads * head_dim)
  float* gate_up;     // (rows, 2 * intermediate)
  float* activation;  // (rows, intermediate)
  float* logits;      // (logit rows, vocab)
};

// The buffers in workspace_bytes(config) bytes from `base`, which is aligned to 64.
Workspace lay_out_workspace(const io::ModelConfig& config, std::byte* base);

}  // namespace gpumodel::engine::model

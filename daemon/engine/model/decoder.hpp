// Runs one model's layers over the rows of a step. One code path for every architecture: what
// differs is data in ModelConfig and ModelWeights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/device/backend.hpp"
#include "engine/io/model_config.hpp"
#include "engine/kv/kv_store.hpp"
#include "engine/model/adapter.hpp"
#include "engine/model/weights.hpp"
#include "engine/model/workspace.hpp"

namespace gpumodel::engine::model {

// One sequence's part of a step: a chunk of its prompt, or the token that was sampled last.
struct SequenceStep {
  std::span<const std::int32_t> tokens;  // at least one, each in 0 .. vocab_size - 1
  std::int32_t position =
      0;  // of tokens[0]: how many tokens of the sequence earlier steps have run
  std::span<const kv::PageId>
      pages;                    // the sequence's own, at least pages_for(position + tokens.size())
  std::int32_t logit_rows = 1;  // logits for this many of its last tokens: 0 inside a prompt
  const AdapterWeights* adapter = nullptr;  // of a base of this shape; none: the weights alone
};

// At most kMaxStepRows tokens and kMaxLogitRows logit rows (needs.hpp) over all sequences; no page
// that a step writes belongs to two of them.
struct StepBatch {
  std::span<const SequenceStep> sequences;
};

// Not thread-safe. Allocates nothing in a step.
class Decoder {
 public:
  // config and weights belong together; the store has config's KvLayout in weights.dtype. The
  // workspace is device memory of at least workspace_bytes(config), aligned to 64 bytes, used
  // during a step only: decoders that never run at the same time may share one. All are borrowed.
  // Throws std::invalid_argument where they do not fit together.
  Decoder(const io::ModelConfig& config, const ModelWeights& weights, device::Backend& backend,
          const kv::KvStore& store, std::span<std::byte> workspace);

  // Runs the batch: its keys and values are in the pages afterwards. Returns the logits (logit
  // rows, vocab_size) in the order of the sequences and, in each, of its tokens: device memory in
  // the workspace, the caller's to read and to change until the next step. Throws
  // std::invalid_argument, before anything ran, where the batch breaks its contract.
  float* step(const StepBatch& batch);

 private:
  void check(const StepBatch& batch) const;
  void lay_out(const StepBatch& batch);
  void make_rope_tables();
  void attend(const LayerWeights& layer, std::size_t index);
  void feed_forward(const LayerWeights& layer, std::size_t index);
  void compute_logits();
  void normalize(const float* weight, std::int64_t count);
  // One projection of one layer, and where an adapter has its term of it.
  struct Projection {
    const MatrixView& w;
    const float* bias;
    std::size_t layer;
    LoraWeights LayerAdapter::*term;
  };
  // out = or += x w^T + bias, of the step's rows, with the terms of their adapters: every
  // projection of the layers.
  void project(const float* x, const Projection& projection, device::Output output, float* out);
  // Adds the projection to the residual, normalised by `norm` where there is one. Uses `normed`.
  void contribute(const float* x, const Projection& projection, const float* norm);
  device::Norm norm(const float* weight) const {
    return {weight, config_.rms_norm_eps, config_.norm_offset};
  }
  std::int64_t rows() const { return static_cast<std::int64_t>(tokens_.size()); }

  const io::ModelConfig& config_;
  const ModelWeights& weights_;
  device::Backend& backend_;
  kv::KvStore store_;
  std::vector<device::AttentionShape> shapes_;  // by layer
  float embedding_scale_;
  Workspace buffers_{};
  std::vector<float*> rope_tables_;  // of config_.ropes

  // Of the step that runs; kept for their memory.
  std::vector<std::int32_t> tokens_;
  std::vector<device::SequenceRows> sequences_;
  struct AdaptedRows {
    const AdapterWeights* adapter;
    std::int64_t first;
    std::int64_t count;
  };
  std::vector<AdaptedRows> adapted_;
  std::vector<std::int64_t> logit_rows_;
};

}  // namespace gpumodel::engine::model

#include "engine/model/decoder.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "engine/model/needs.hpp"

namespace gpumodel::engine::model {
namespace {

using device::Output;

device::AttentionShape attention_shape(const io::ModelConfig& config) {
  return {config.heads, config.kv_heads, config.head_dim,
          1.0f / std::sqrt(static_cast<float>(config.head_dim))};
}

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

void check_fit(const io::ModelConfig& config, const ModelWeights& weights, const kv::KvStore& store,
               std::size_t workspace_size) {
  const kv::KvLayout& layout = store.layout();
  require(weights.layers.size() == static_cast<std::size_t>(config.layers),
          "decoder: the weights have another number of layers than the configuration");
  require(weights.embedding.rows == config.vocab_size &&
              weights.embedding.columns == config.hidden_size &&
              weights.lm_head.rows == config.vocab_size &&
              weights.lm_head.columns == config.hidden_size,
          "decoder: the embedding's shape is not the configuration's");
  require(layout.layers == config.layers && layout.kv_heads == config.kv_heads &&
              layout.head_dim == config.head_dim && layout.dtype == weights.dtype,
          "decoder: the key-value store was laid out for another model");
  require(workspace_size >= workspace_bytes(config), "decoder: the workspace is too small");
}

}  // namespace

Decoder::Decoder(const io::ModelConfig& config, const ModelWeights& weights,
                 device::Backend& backend, const kv::KvStore& store, std::span<std::byte> workspace)
    : config_(config),
      weights_(weights),
      backend_(backend),
      store_(store),
      shape_(attention_shape(config)) {
  check_fit(config, weights, store, workspace.size());
  buffers_ = lay_out_workspace(config, workspace.data());
  backend_.prepare(shape_);
  tokens_.reserve(kMaxStepRows);
  sequences_.reserve(kMaxStepRows);
  logit_rows_.reserve(kMaxLogitRows);
}

void Decoder::check(const StepBatch& batch) const {
  std::int64_t rows = 0;
  std::int64_t logit_rows = 0;
  for (const SequenceStep& sequence : batch.sequences) {
    const auto count = static_cast<std::int64_t>(sequence.tokens.size());
    require(count >= 1, "step: a sequence without tokens");
    require(sequence.position >= 0 && sequence.position + count <= config_.max_position,
            "step: tokens beyond the model's last position");
    require(static_cast<std::int64_t>(sequence.pages.size()) >=
                kv::pages_for(sequence.position + count),
            "step: fewer pages than the sequence's tokens need");
    require(sequence.logit_rows >= 0 && sequence.logit_rows <= count,
            "step: logits wanted for more rows than the sequence has");
    for (const std::int32_t token : sequence.tokens)
      if (token < 0 || token >= config_.vocab_size)
        throw std::invalid_argument("step: token " + std::to_string(token) +
                                    " is outside of the vocabulary of " +
                                    std::to_string(config_.vocab_size));
    rows += count;
    logit_rows += sequence.logit_rows;
  }
  require(rows >= 1 && rows <= kMaxStepRows, "step: no rows, or more than kMaxStepRows");
  require(logit_rows <= kMaxLogitRows, "step: more logit rows than kMaxLogitRows");
}

void Decoder::lay_out(const StepBatch& batch) {
  tokens_.clear();
  sequences_.clear();
  logit_rows_.clear();
  for (const SequenceStep& sequence : batch.sequences) {
    const auto first = static_cast<std::int64_t>(tokens_.size());
    tokens_.insert(tokens_.end(), sequence.tokens.begin(), sequence.tokens.end());
    const auto end = static_cast<std::int64_t>(tokens_.size());
    sequences_.push_back(
        {first, static_cast<std::int32_t>(end - first), sequence.position, sequence.pages});
    for (std::int64_t row = end - sequence.logit_rows; row < end; ++row) logit_rows_.push_back(row);
  }
}

float* Decoder::step(const StepBatch& batch) {
  check(batch);
  lay_out(batch);
  backend_.embed(weights_.embedding, tokens_, buffers_.residual);
  backend_.rope_table(config_.rope, config_.head_dim, sequences_, buffers_.rope);
  for (std::size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    attend(weights_.layers[layer], static_cast<std::int32_t>(layer));
    feed_forward(weights_.layers[layer]);
  }
  compute_logits();
  return buffers_.logits;
}

void Decoder::attend(const LayerWeights& layer, std::int32_t index) {
  normalize(layer.attention_norm, rows());
  backend_.linear(buffers_.normed, rows(), layer.qkv, layer.qkv_bias, Output::replace,
                  buffers_.qkv);
  backend_.rope_and_store(shape_, sequences_, buffers_.rope, buffers_.qkv, store_, index);
  backend_.attention(shape_, sequences_, buffers_.qkv, store_, index, buffers_.attention);
  backend_.linear(buffers_.attention, rows(), layer.o, layer.o_bias, Output::add,
                  buffers_.residual);
}

void Decoder::feed_forward(const LayerWeights& layer) {
  normalize(layer.mlp_norm, rows());
  backend_.linear(buffers_.normed, rows(), layer.gate_up, layer.gate_up_bias, Output::replace,
                  buffers_.gate_up);
  backend_.silu_multiply(buffers_.gate_up, rows(), config_.intermediate_size, buffers_.activation);
  backend_.linear(buffers_.activation, rows(), layer.down, layer.down_bias, Output::add,
                  buffers_.residual);
}

void Decoder::compute_logits() {
  if (logit_rows_.empty()) return;
  const auto count = static_cast<std::int64_t>(logit_rows_.size());
  backend_.gather_rows(buffers_.residual, logit_rows_, config_.hidden_size, buffers_.residual);
  normalize(weights_.final_norm, count);
  backend_.linear(buffers_.normed, count, weights_.lm_head, nullptr, Output::replace,
                  buffers_.logits);
}

void Decoder::normalize(const float* weight, std::int64_t count) {
  backend_.rms_norm(buffers_.residual, weight, config_.rms_norm_eps, count, config_.hidden_size,
                    buffers_.normed);
}

}  // namespace gpumodel::engine::model

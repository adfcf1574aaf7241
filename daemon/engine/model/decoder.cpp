#include "engine/model/decoder.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "engine/model/convert.hpp"
#include "engine/model/needs.hpp"

namespace gpumodel::engine::model {
namespace {

using device::Output;

device::AttentionShape attention_shape(const io::ModelConfig& config,
                                       const io::LayerConfig& layer) {
  const bool turns = layer.rope != io::LayerConfig::kNoRope;
  return {
      .heads = config.heads,
      .kv_heads = config.kv_heads,
      .head_dim = config.head_dim,
      .rotary_dim = turns ? config.ropes.at(static_cast<std::size_t>(layer.rope)).rotary_dim() : 0,
      .scale = config.attention_scale,
      .softcap = config.attention_softcap,
      .window = layer.window};
}

// As transformers multiplies: by a number of the weights' dtype.
float rounded_to(io::DType dtype, float value) {
  switch (dtype) {
    case io::DType::f32:
      return value;
    case io::DType::f16:
      return f16_to_float(float_to_f16(value));
    case io::DType::bf16:
      return bf16_to_float(float_to_bf16(value));
  }
  return value;
}

std::int64_t widest_input(const io::ModelConfig& config) {
  return std::max({std::int64_t{config.hidden_size}, std::int64_t{config.intermediate_size},
                   std::int64_t{config.heads} * config.head_dim});
}

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

void check_fit(const io::ModelConfig& config, const ModelWeights& weights, const kv::KvStore& store,
               std::size_t workspace_size) {
  const kv::KvLayout& layout = store.layout();
  require(weights.layers.size() == static_cast<std::size_t>(config.layers),
          "decoder: the weights have another number of layers than the configuration");
  require(config.by_layer.size() == weights.layers.size(),
          "decoder: the configuration does not describe every layer");
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
      embedding_scale_(rounded_to(weights.dtype, config.embedding_scale)) {
  check_fit(config, weights, store, workspace.size());
  buffers_ = lay_out_workspace(config, workspace.data());
  float* table = buffers_.rope;
  for (const io::RopeConfig& rope : config.ropes) {
    rope_tables_.push_back(table);
    table += kMaxStepRows * rope.rotary_dim();
  }
  for (const io::LayerConfig& layer : config.by_layer) {
    shapes_.push_back(attention_shape(config, layer));
    backend_.prepare(shapes_.back(), {kMaxStepRows, widest_input(config)});
  }
  tokens_.reserve(kMaxStepRows);
  sequences_.reserve(kMaxStepRows);
  adapted_.reserve(kMaxStepRows);
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
    require(sequence.adapter == nullptr || sequence.adapter->base == BaseShape::of(config_),
            "step: the adapter is of another base");
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
  adapted_.clear();
  logit_rows_.clear();
  for (const SequenceStep& sequence : batch.sequences) {
    const auto first = static_cast<std::int64_t>(tokens_.size());
    tokens_.insert(tokens_.end(), sequence.tokens.begin(), sequence.tokens.end());
    const auto end = static_cast<std::int64_t>(tokens_.size());
    sequences_.push_back(
        {first, static_cast<std::int32_t>(end - first), sequence.position, sequence.pages});
    for (std::int64_t row = end - sequence.logit_rows; row < end; ++row) logit_rows_.push_back(row);
    if (sequence.adapter == nullptr) continue;
    const bool goes_on = !adapted_.empty() && adapted_.back().adapter == sequence.adapter &&
                         adapted_.back().first + adapted_.back().count == first;
    if (goes_on) {
      adapted_.back().count += end - first;
    } else {
      adapted_.push_back({sequence.adapter, first, end - first});
    }
  }
}

float* Decoder::step(const StepBatch& batch) {
  check(batch);
  lay_out(batch);
  backend_.embed(weights_.embedding, tokens_, embedding_scale_, buffers_.residual);
  make_rope_tables();
  for (std::size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    attend(weights_.layers[layer], layer);
    feed_forward(weights_.layers[layer], layer);
  }
  compute_logits();
  return buffers_.logits;
}

void Decoder::make_rope_tables() {
  for (std::size_t i = 0; i < rope_tables_.size(); ++i)
    backend_.rope_table(config_.ropes[i].frequencies, config_.ropes[i].magnitude, sequences_,
                        rope_tables_[i]);
}

void Decoder::attend(const LayerWeights& layer, std::size_t index) {
  const device::AttentionShape& shape = shapes_[index];
  const auto number = static_cast<std::int32_t>(index);
  normalize(layer.attention_norm, rows());
  project(buffers_.normed, {layer.qkv, layer.qkv_bias, index, &LayerAdapter::qkv}, Output::replace,
          buffers_.qkv);
  if (layer.q_norm)
    backend_.norm_heads(shape, norm(layer.q_norm), norm(layer.k_norm), rows(), buffers_.qkv);
  const std::int32_t rope = config_.by_layer[index].rope;
  const float* table =
      shape.rotary_dim == 0 ? nullptr : rope_tables_[static_cast<std::size_t>(rope)];
  backend_.rope_and_store(shape, sequences_, table, buffers_.qkv, store_, number);
  backend_.attention(shape, sequences_, buffers_.qkv, store_, number, buffers_.attention);
  contribute(buffers_.attention, {layer.o, layer.o_bias, index, &LayerAdapter::o},
             layer.post_attention_norm);
}

void Decoder::feed_forward(const LayerWeights& layer, std::size_t index) {
  normalize(layer.mlp_norm, rows());
  project(buffers_.normed, {layer.gate_up, layer.gate_up_bias, index, &LayerAdapter::gate_up},
          Output::replace, buffers_.gate_up);
  backend_.gate(config_.activation, buffers_.gate_up, rows(), config_.intermediate_size,
                buffers_.activation);
  contribute(buffers_.activation, {layer.down, layer.down_bias, index, &LayerAdapter::down},
             layer.post_mlp_norm);
}

void Decoder::compute_logits() {
  if (logit_rows_.empty()) return;
  const auto count = static_cast<std::int64_t>(logit_rows_.size());
  backend_.gather_rows(buffers_.residual, logit_rows_, config_.hidden_size, buffers_.residual);
  normalize(weights_.final_norm, count);
  backend_.linear(buffers_.normed, count, weights_.lm_head, nullptr, Output::replace,
                  buffers_.logits);
  if (config_.logit_softcap > 0.0f)
    backend_.softcap(buffers_.logits, count * config_.vocab_size, config_.logit_softcap);
}

void Decoder::normalize(const float* weight, std::int64_t count) {
  backend_.rms_norm(buffers_.residual, norm(weight), count, config_.hidden_size, Output::replace,
                    buffers_.normed);
}

void Decoder::project(const float* x, const Projection& projection, Output output, float* out) {
  const MatrixView& w = projection.w;
  backend_.linear(x, rows(), w, projection.bias, output, out);
  for (const AdaptedRows& rows : adapted_) {
    const LoraWeights& lora = rows.adapter->layers[projection.layer].*projection.term;
    if (lora.parts.empty()) continue;
    backend_.add_lora(x + rows.first * w.columns, rows.count, lora.term(), rows.adapter->shrunk,
                      w.rows, out + rows.first * w.rows);
  }
}

void Decoder::contribute(const float* x, const Projection& projection, const float* norm_weight) {
  if (norm_weight == nullptr) return project(x, projection, Output::add, buffers_.residual);
  project(x, projection, Output::replace, buffers_.normed);
  backend_.rms_norm(buffers_.normed, norm(norm_weight), rows(), config_.hidden_size, Output::add,
                    buffers_.residual);
}

}  // namespace gpumodel::engine::model

#include "engine/model/layout.hpp"

#include <array>
#include <numeric>
#include <span>
#include <stdexcept>

#include "engine/model/architecture.hpp"
#include "engine/model/layout_builder.hpp"

namespace gpumodel::engine::model {
namespace {

constexpr const char* kWeight = ".weight";
constexpr const char* kBias = ".bias";

LayerSlots lay_out_layer(LayoutBuilder& builder, io::DType dtype, const io::ModelConfig& config,
                         const TensorNames& names, std::int32_t layer) {
  const auto part = [layer](std::string_view pattern, const char* suffix, std::int64_t rows) {
    return SlotPart{tensor_name(pattern, layer, suffix), rows};
  };
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t inner = config.intermediate_size;
  const std::int64_t q_rows = std::int64_t{config.heads} * config.head_dim;
  const std::int64_t kv_rows = std::int64_t{config.kv_heads} * config.head_dim;
  // Each on its own, or all under the first name.
  const auto parts = [&](std::span<const std::string_view> patterns,
                         std::span<const std::int64_t> rows, const char* suffix) {
    if (patterns[1].empty()) {
      return std::vector{
          part(patterns[0], suffix, std::accumulate(rows.begin(), rows.end(), std::int64_t{0}))};
    }
    std::vector<SlotPart> each;
    for (std::size_t i = 0; i < rows.size(); ++i)
      each.push_back(part(patterns[i], suffix, rows[i]));
    return each;
  };
  const std::array qkv_rows{q_rows, kv_rows, kv_rows};
  const std::array gate_up_rows{inner, inner};
  const auto vector = [&](std::string_view pattern, const char* suffix, std::int64_t rows) {
    return builder.vector({part(pattern, suffix, rows)});
  };
  const auto norm = [&](std::string_view pattern, std::int64_t rows) -> std::optional<Slot> {
    if (pattern.empty()) return std::nullopt;
    return vector(pattern, kWeight, rows);
  };
  LayerSlots slots;
  slots.attention_norm = vector(names.attention_norm, kWeight, hidden);
  slots.qkv = builder.matrix(parts(names.qkv, qkv_rows, kWeight), hidden, dtype);
  if (config.qkv_bias) slots.qkv_bias = builder.vector(parts(names.qkv, qkv_rows, kBias));
  slots.q_norm = norm(names.q_norm, config.head_dim);
  slots.k_norm = norm(names.k_norm, config.head_dim);
  slots.o = builder.matrix({part(names.o, kWeight, hidden)}, q_rows, dtype);
  if (config.o_bias) slots.o_bias = vector(names.o, kBias, hidden);
  slots.post_attention_norm = norm(names.post_attention_norm, hidden);
  slots.mlp_norm = vector(names.mlp_norm, kWeight, hidden);
  slots.gate_up = builder.matrix(parts(names.gate_up, gate_up_rows, kWeight), hidden, dtype);
  if (config.mlp_bias) {
    slots.gate_up_bias = builder.vector(parts(names.gate_up, gate_up_rows, kBias));
  }
  slots.down = builder.matrix({part(names.down, kWeight, hidden)}, inner, dtype);
  if (config.mlp_bias) slots.down_bias = vector(names.down, kBias, hidden);
  slots.post_mlp_norm = norm(names.post_mlp_norm, hidden);
  return slots;
}

}  // namespace

io::DType resolve_dtype(std::string_view wanted, const io::ModelConfig& config,
                        const io::TensorIndex& tensors) {
  for (const io::DType dtype : {io::DType::f32, io::DType::f16, io::DType::bf16}) {
    if (wanted == io::dtype_name(dtype)) return dtype;
  }
  if (wanted != "auto") throw std::invalid_argument("no dtype " + std::string(wanted));
  if (config.checkpoint_dtype) return *config.checkpoint_dtype;
  const TensorNames& names = architecture_of(config).names;
  for (const std::string_view stem : {names.embedding, names.lm_head}) {
    const auto tensor = tensors.tensors.find(std::string(stem) + kWeight);
    if (tensor == tensors.tensors.end()) continue;
    // Another dtype is refused, by name, when the tensor is laid out.
    return source_dtype(tensor->second.dtype).value_or(io::DType::f32);
  }
  return io::DType::f32;
}

Layout make_layout(const io::ModelConfig& config, const io::TensorIndex& tensors, io::DType dtype) {
  const TensorNames& names = architecture_of(config).names;
  Layout layout;
  layout.dtype = dtype;
  LayoutBuilder builder(tensors);

  std::string embedding = std::string(names.embedding) + kWeight;
  const std::string lm_head = std::string(names.lm_head) + kWeight;
  const bool has_embedding = tensors.tensors.count(embedding) != 0;
  const bool has_lm_head = tensors.tensors.count(lm_head) != 0;
  if (config.tied_embeddings && !has_embedding && has_lm_head) embedding = lm_head;

  layout.embedding = builder.matrix({{embedding, config.vocab_size}}, config.hidden_size, dtype);
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    layout.layers.push_back(lay_out_layer(builder, dtype, config, names, layer));
  }
  layout.final_norm =
      builder.vector({{std::string(names.final_norm) + kWeight, config.hidden_size}});
  if (!config.tied_embeddings || (has_embedding && has_lm_head)) {
    layout.lm_head = builder.matrix({{lm_head, config.vocab_size}}, config.hidden_size, dtype);
  }
  layout.pieces = builder.take_pieces();
  layout.tensor_bytes = builder.bytes();
  layout.source_bytes = builder.source_bytes();
  layout.parameters = builder.elements();
  return layout;
}

ModelWeights make_views(const Layout& layout, const std::byte* arena) {
  const auto matrix = [&](const Slot& slot) {
    return MatrixView{arena + slot.offset, slot.rows, slot.columns, layout.dtype};
  };
  // The loader wrote floats there.
  const auto vector = [arena](const Slot& slot) {
    return reinterpret_cast<const float*>(arena + slot.offset);
  };
  const auto optional = [&](const std::optional<Slot>& slot) {
    return slot ? vector(*slot) : nullptr;
  };
  ModelWeights weights;
  weights.dtype = layout.dtype;
  weights.embedding = matrix(layout.embedding);
  weights.final_norm = vector(layout.final_norm);
  weights.lm_head = layout.lm_head ? matrix(*layout.lm_head) : weights.embedding;
  for (const LayerSlots& slots : layout.layers) {
    weights.layers.push_back(
        LayerWeights{.attention_norm = vector(slots.attention_norm),
                     .qkv = matrix(slots.qkv),
                     .qkv_bias = optional(slots.qkv_bias),
                     .q_norm = optional(slots.q_norm),
                     .k_norm = optional(slots.k_norm),
                     .o = matrix(slots.o),
                     .o_bias = optional(slots.o_bias),
                     .post_attention_norm = optional(slots.post_attention_norm),
                     .mlp_norm = vector(slots.mlp_norm),
                     .gate_up = matrix(slots.gate_up),
                     .gate_up_bias = optional(slots.gate_up_bias),
                     .down = matrix(slots.down),
                     .down_bias = optional(slots.down_bias),
                     .post_mlp_norm = optional(slots.post_mlp_norm)});
  }
  return weights;
}

}  // namespace gpumodel::engine::model

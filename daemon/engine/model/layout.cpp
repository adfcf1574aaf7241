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

LayerSlots lay_out_layer(LayoutBuilder& builder, MatrixFormat format, const io::ModelConfig& config,
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
  slots.qkv = builder.matrix(parts(names.qkv, qkv_rows, kWeight), hidden, format);
  if (config.qkv_bias) slots.qkv_bias = builder.vector(parts(names.qkv, qkv_rows, kBias));
  slots.q_norm = norm(names.q_norm, config.head_dim);
  slots.k_norm = norm(names.k_norm, config.head_dim);
  slots.o = builder.matrix({part(names.o, kWeight, hidden)}, q_rows, format);
  if (config.o_bias) slots.o_bias = vector(names.o, kBias, hidden);
  slots.post_attention_norm = norm(names.post_attention_norm, hidden);
  slots.mlp_norm = vector(names.mlp_norm, kWeight, hidden);
  slots.gate_up = builder.matrix(parts(names.gate_up, gate_up_rows, kWeight), hidden, format);
  if (config.mlp_bias) {
    slots.gate_up_bias = builder.vector(parts(names.gate_up, gate_up_rows, kBias));
  }
  slots.down = builder.matrix({part(names.down, kWeight, hidden)}, inner, format);
  if (config.mlp_bias) slots.down_bias = vector(names.down, kBias, hidden);
  slots.post_mlp_norm = norm(names.post_mlp_norm, hidden);
  return slots;
}

}  // namespace

namespace {

io::DType own_dtype(const io::ModelConfig& config, const io::TensorIndex& tensors) {
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

}  // namespace

Piece Piece::part(std::int64_t first, std::int64_t count) const {
  const auto before = static_cast<std::uint64_t>(first);
  Piece part = *this;
  part.file_offset += before * row_source_bytes();
  part.arena_offset += before * static_cast<std::uint64_t>(device::row_bytes(target, columns));
  part.scales_offset +=
      before * static_cast<std::uint64_t>(device::row_scale_bytes(target, columns));
  part.rows = count;
  return part;
}

MatrixView Slot::view(const std::byte* arena) const {
  return {arena + offset, rows, columns, format,
          device::is_quantized(format) ? arena + scales_offset : nullptr};
}

std::string WeightTypes::name() const {
  if (layers == MatrixFormat::int8) return "int8";
  if (layers == MatrixFormat::int4) return "int4";
  return io::dtype_name(dtype);
}

WeightTypes resolve_dtype(std::string_view wanted, const io::ModelConfig& config,
                          const io::TensorIndex& tensors) {
  for (const io::DType dtype : {io::DType::f32, io::DType::f16, io::DType::bf16}) {
    if (wanted == io::dtype_name(dtype)) return {dtype, device::format_of(dtype)};
  }
  const io::DType own = own_dtype(config, tensors);
  if (wanted == "auto") return {own, device::format_of(own)};
  for (const MatrixFormat format : {MatrixFormat::int8, MatrixFormat::int4}) {
    const WeightTypes types{own == io::DType::f32 ? io::DType::bf16 : own, format};
    if (wanted == types.name()) return types;
  }
  throw std::invalid_argument("no dtype " + std::string(wanted));
}

Layout make_layout(const io::ModelConfig& config, const io::TensorIndex& tensors,
                   const WeightTypes& types) {
  const TensorNames& names = architecture_of(config).names;
  Layout layout;
  layout.types = types;
  LayoutBuilder builder(tensors);

  std::string embedding = std::string(names.embedding) + kWeight;
  const std::string lm_head = std::string(names.lm_head) + kWeight;
  const bool has_embedding = tensors.tensors.count(embedding) != 0;
  const bool has_lm_head = tensors.tensors.count(lm_head) != 0;
  if (config.tied_embeddings && !has_embedding && has_lm_head) embedding = lm_head;

  layout.embedding =
      builder.matrix({{embedding, config.vocab_size}}, config.hidden_size, types.vocabulary());
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    layout.layers.push_back(lay_out_layer(builder, types.layers, config, names, layer));
  }
  layout.final_norm =
      builder.vector({{std::string(names.final_norm) + kWeight, config.hidden_size}});
  if (!config.tied_embeddings || (has_embedding && has_lm_head)) {
    layout.lm_head =
        builder.matrix({{lm_head, config.vocab_size}}, config.hidden_size, types.vocabulary());
  }
  layout.pieces = builder.take_pieces();
  layout.tensor_bytes = builder.bytes();
  layout.source_bytes = builder.source_bytes();
  layout.parameters = builder.elements();
  return layout;
}

ModelWeights make_views(const Layout& layout, const std::byte* arena) {
  const auto matrix = [arena](const Slot& slot) { return slot.view(arena); };
  // The loader wrote floats there.
  const auto vector = [arena](const Slot& slot) {
    return reinterpret_cast<const float*>(arena + slot.offset);
  };
  const auto optional = [&](const std::optional<Slot>& slot) {
    return slot ? vector(*slot) : nullptr;
  };
  ModelWeights weights;
  weights.dtype = layout.types.dtype;
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

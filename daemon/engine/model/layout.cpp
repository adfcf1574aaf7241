#include "engine/model/layout.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <stdexcept>
#include <tuple>

#include "engine/memory/arena.hpp"
#include "engine/model/architecture.hpp"

namespace gpumodel::engine::model {
namespace {

constexpr std::uint64_t kAlignmentBytes = 64;
constexpr const char* kWeight = ".weight";
constexpr const char* kBias = ".bias";

std::optional<io::DType> source_dtype(std::string_view name) {
  if (name == "F32") return io::DType::f32;
  if (name == "F16") return io::DType::f16;
  if (name == "BF16") return io::DType::bf16;
  return std::nullopt;
}

// One tensor of the checkpoint, and how many rows of a slot it fills.
struct Part {
  std::string name;
  std::int64_t rows;
};

// Places slots one after the other, and notes for each which bytes fill it.
class Builder {
 public:
  Builder(const io::TensorIndex& tensors, Layout& layout) : tensors_(tensors), layout_(layout) {}

  // The parts below each other, in the weights' dtype.
  Slot matrix(const std::vector<Part>& parts, std::int64_t columns) {
    Slot slot = place(rows_of(parts), columns, layout_.dtype);
    std::uint64_t offset = slot.offset;
    for (const Part& part : parts) {
      offset = add(part.name, {part.rows, columns}, offset, layout_.dtype);
    }
    return slot;
  }

  // The parts one after the other, as floats.
  Slot vector(const std::vector<Part>& parts) {
    Slot slot = place(rows_of(parts), 1, io::DType::f32);
    std::uint64_t offset = slot.offset;
    for (const Part& part : parts) offset = add(part.name, {part.rows}, offset, io::DType::f32);
    return slot;
  }

  std::uint64_t bytes() const { return end_; }

 private:
  static std::int64_t rows_of(const std::vector<Part>& parts) {
    std::int64_t rows = 0;
    for (const Part& part : parts) rows += part.rows;
    return rows;
  }

  Slot place(std::int64_t rows, std::int64_t columns, io::DType dtype) {
    const Slot slot{end_, rows, columns};
    const auto elements = static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(columns);
    end_ += elements * io::dtype_bytes(dtype);
    end_ = (end_ + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
    return slot;
  }

  // Returns where the next part begins.
  std::uint64_t add(const std::string& name, const std::vector<std::int64_t>& shape,
                    std::uint64_t offset, io::DType target) {
    const auto found = tensors_.tensors.find(name);
    if (found == tensors_.tensors.end()) {
      const std::string& where =
          tensors_.files.size() == 1 ? tensors_.files.front().name : kIndexName;
      throw io_error(where, name, "is missing");
    }
    const io::TensorEntry& tensor = found->second;
    const std::string& file = tensors_.files.at(tensor.file).name;
    if (tensor.shape != shape) {
      throw io_error(file, name,
                     "has shape " + io::TensorIndex::shape_text(tensor.shape) + ", expected " +
                         io::TensorIndex::shape_text(shape));
    }
    const std::optional<io::DType> source = source_dtype(tensor.dtype);
    if (!source)
      throw io_error(file, name, "has dtype " + tensor.dtype + ", expected F32, F16 or BF16");
    const Piece piece{.tensor = name,
                      .file = tensor.file,
                      .file_offset = tensor.offset,
                      .source = *source,
                      .arena_offset = offset,
                      .target = target,
                      .elements = tensor.bytes / io::dtype_bytes(*source)};
    layout_.pieces.push_back(piece);
    layout_.parameters += piece.elements;
    layout_.source_bytes += piece.source_bytes();
    return offset + piece.elements * io::dtype_bytes(target);
  }

  static BadModel io_error(const std::string& file, const std::string& tensor,
                           const std::string& what) {
    return BadModel(file, "tensor " + tensor + " " + what);
  }

  inline static const std::string kIndexName = "model.safetensors.index.json";

  const io::TensorIndex& tensors_;
  Layout& layout_;
  std::uint64_t end_ = 0;
};

LayerSlots lay_out_layer(Builder& builder, const io::ModelConfig& config, const TensorNames& names,
                         std::int32_t layer) {
  const auto part = [layer](std::string_view pattern, const char* suffix, std::int64_t rows) {
    return Part{tensor_name(pattern, layer, suffix), rows};
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
    std::vector<Part> each;
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
  slots.qkv = builder.matrix(parts(names.qkv, qkv_rows, kWeight), hidden);
  if (config.qkv_bias) slots.qkv_bias = builder.vector(parts(names.qkv, qkv_rows, kBias));
  slots.q_norm = norm(names.q_norm, config.head_dim);
  slots.k_norm = norm(names.k_norm, config.head_dim);
  slots.o = builder.matrix({part(names.o, kWeight, hidden)}, q_rows);
  if (config.o_bias) slots.o_bias = vector(names.o, kBias, hidden);
  slots.post_attention_norm = norm(names.post_attention_norm, hidden);
  slots.mlp_norm = vector(names.mlp_norm, kWeight, hidden);
  slots.gate_up = builder.matrix(parts(names.gate_up, gate_up_rows, kWeight), hidden);
  if (config.mlp_bias) {
    slots.gate_up_bias = builder.vector(parts(names.gate_up, gate_up_rows, kBias));
  }
  slots.down = builder.matrix({part(names.down, kWeight, hidden)}, inner);
  if (config.mlp_bias) slots.down_bias = vector(names.down, kBias, hidden);
  slots.post_mlp_norm = norm(names.post_mlp_norm, hidden);
  return slots;
}

const Architecture& row_of(const io::ModelConfig& config) {
  const Architecture* row = find_architecture(config.architecture);
  if (row == nullptr) throw std::invalid_argument("no architecture " + config.architecture);
  return *row;
}

}  // namespace

io::DType resolve_dtype(std::string_view wanted, const io::ModelConfig& config,
                        const io::TensorIndex& tensors) {
  for (const io::DType dtype : {io::DType::f32, io::DType::f16, io::DType::bf16}) {
    if (wanted == io::dtype_name(dtype)) return dtype;
  }
  if (wanted != "auto") throw std::invalid_argument("no dtype " + std::string(wanted));
  if (config.checkpoint_dtype) return *config.checkpoint_dtype;
  const TensorNames& names = row_of(config).names;
  for (const std::string_view stem : {names.embedding, names.lm_head}) {
    const auto tensor = tensors.tensors.find(std::string(stem) + kWeight);
    if (tensor == tensors.tensors.end()) continue;
    // Another dtype is refused, by name, when the tensor is laid out.
    return source_dtype(tensor->second.dtype).value_or(io::DType::f32);
  }
  return io::DType::f32;
}

Layout make_layout(const io::ModelConfig& config, const io::TensorIndex& tensors, io::DType dtype) {
  const TensorNames& names = row_of(config).names;
  Layout layout;
  layout.dtype = dtype;
  Builder builder(tensors, layout);

  std::string embedding = std::string(names.embedding) + kWeight;
  const std::string lm_head = std::string(names.lm_head) + kWeight;
  const bool has_embedding = tensors.tensors.count(embedding) != 0;
  const bool has_lm_head = tensors.tensors.count(lm_head) != 0;
  if (config.tied_embeddings && !has_embedding && has_lm_head) embedding = lm_head;

  layout.embedding = builder.matrix({{embedding, config.vocab_size}}, config.hidden_size);
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    layout.layers.push_back(lay_out_layer(builder, config, names, layer));
  }
  layout.final_norm =
      builder.vector({{std::string(names.final_norm) + kWeight, config.hidden_size}});
  if (!config.tied_embeddings || (has_embedding && has_lm_head)) {
    layout.lm_head = builder.matrix({{lm_head, config.vocab_size}}, config.hidden_size);
  }
  layout.tensor_bytes = memory::round_to_pages(builder.bytes());
  std::sort(layout.pieces.begin(), layout.pieces.end(), [](const Piece& a, const Piece& b) {
    return std::tie(a.file, a.file_offset) < std::tie(b.file, b.file_offset);
  });
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

// Where in the arena each tensor goes, and which bytes of which file become it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/model_config.hpp"
#include "engine/io/safetensors.hpp"
#include "engine/model/weights.hpp"

namespace gpumodel::engine::model {

// Rows of one source tensor on their way into the arena; both ends are contiguous and row-major.
struct Piece {
  std::string tensor;             // its name, for messages
  std::uint32_t file = 0;         // index into TensorIndex::files
  std::uint64_t file_offset = 0;  // bytes
  io::DType source = io::DType::f32;
  std::uint64_t arena_offset = 0;   // bytes
  std::uint64_t scales_offset = 0;  // bytes; where the target is quantised
  MatrixFormat target = MatrixFormat::f32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;

  std::uint64_t elements() const { return static_cast<std::uint64_t>(rows * columns); }
  std::uint64_t row_source_bytes() const {
    return static_cast<std::uint64_t>(columns) * io::dtype_bytes(source);
  }
  std::uint64_t source_bytes() const { return elements() * io::dtype_bytes(source); }
  // `count` of its rows, from `first` on.
  Piece part(std::int64_t first, std::int64_t count) const;
};

// A matrix of (rows, columns), or a vector where columns is 1. Offsets in the arena are multiples
// of 64.
struct Slot {
  std::uint64_t offset = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  MatrixFormat format = MatrixFormat::f32;
  std::uint64_t scales_offset = 0;  // where the format is quantised

  MatrixView view(const std::byte* arena) const;
};

struct LayerSlots {
  Slot attention_norm, qkv, o, mlp_norm, gate_up, down;
  std::optional<Slot> qkv_bias, o_bias, gate_up_bias, down_bias;
  std::optional<Slot> q_norm, k_norm, post_attention_norm, post_mlp_norm;
};

// What weights are kept as. Norms and biases are float whatever it is.
struct WeightTypes {
  // Of the matrices that are not quantised, and of what is made beside quantised ones: keys,
  // values, constants.
  io::DType dtype = io::DType::f32;
  // Of the layers' matrices. Embedding and lm_head have it too, but int8 where it is int4: they
  // lose most by four bits, and are the smaller part of all but the smallest models.
  MatrixFormat layers = MatrixFormat::f32;

  MatrixFormat vocabulary() const {
    return layers == MatrixFormat::int4 ? MatrixFormat::int8 : layers;
  }
  // As in configurations and reports: "bf16", "fp16", "fp32", "int8", "int4".
  std::string name() const;
};

struct Layout {
  WeightTypes types;
  Slot embedding, final_norm;
  std::optional<Slot> lm_head;  // none: the embedding
  std::vector<LayerSlots> layers;
  std::vector<Piece> pieces;       // ordered by file and offset in it
  std::uint64_t tensor_bytes = 0;  // the arena's size, in whole pages
  std::uint64_t source_bytes = 0;  // to be read from files
  std::uint64_t parameters = 0;    // elements of all pieces; tied ones once
};

// `wanted` is "auto" or one of WeightTypes::name(); another is std::invalid_argument. auto is what
// config.json says, or else the dtype of the embedding, as transformers resolves it; beside
// quantised matrices the same, but bf16 for fp32.
WeightTypes resolve_dtype(std::string_view wanted, const io::ModelConfig& config,
                          const io::TensorIndex& tensors);

// Checks that every tensor the configuration asks for is there in the right shape and in F32, F16
// or BF16, any mix of them; throws BadModel that names file and tensor. Tensors beyond these are
// ignored, as in transformers (rotary tables of older files). Where embeddings are tied and the
// checkpoint has both embedding and lm_head, both are kept: transformers unties them where they
// differ, and where they do not it makes no difference but in bytes. Where it has only one of them,
// that one serves as both.
Layout make_layout(const io::ModelConfig& config, const io::TensorIndex& tensors,
                   const WeightTypes& types);

// The decoder's view of an arena that was filled by `layout`.
ModelWeights make_views(const Layout& layout, const std::byte* arena);

}  // namespace gpumodel::engine::model

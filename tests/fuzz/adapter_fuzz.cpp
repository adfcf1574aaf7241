// Any bytes as an adapter's configuration and its tensors' header: laid out over a small base, or
// BadModel.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "engine/model/adapter_layout.hpp"
#include "engine/model/architecture.hpp"

namespace io = gpumodel::engine::io;
namespace model = gpumodel::engine::model;

namespace {

const io::ModelConfig& base() {
  static const io::ModelConfig config = model::parse_config(
      R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 12, "num_hidden_layers": 2,
          "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 4, "intermediate_size": 10,
          "vocab_size": 17, "max_position_embeddings": 64, "tie_word_embeddings": false})");
  return config;
}

void check(const model::AdapterLayout& layout, const io::TensorIndex& tensors) {
  if (layout.layers.size() != 2 || layout.pieces.size() != tensors.tensors.size()) std::abort();
  for (const model::Piece& piece : layout.pieces) {
    const std::int64_t row_bytes =
        gpumodel::engine::device::row_bytes(piece.target, piece.columns);
    const std::uint64_t end =
        piece.arena_offset + static_cast<std::uint64_t>(piece.rows * row_bytes);
    if (end > layout.shrunk.offset || layout.shrunk.offset > layout.bytes) std::abort();
  }
}

}  // namespace

// The configuration, a zero byte, the header; the tensors' data ends where the header says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint64_t data_bytes = data[0] | std::uint64_t{data[1]} << 8;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t split = input.find('\0');
  if (split == std::string_view::npos) return 0;
  const std::string_view header = input.substr(split + 1);
  try {
    const io::AdapterConfig config = io::parse_adapter_config(input.substr(0, split));
    io::TensorIndex tensors;
    tensors.files.emplace_back();
    tensors.files.back().name = "adapter_model.safetensors";
    tensors.tensors = io::parse_safetensors_header(header, 8 + header.size() + data_bytes,
                                                   tensors.files.back().name);
    check(model::make_adapter_layout(config, tensors, base()), tensors);
  } catch (const gpumodel::engine::BadModel&) {
    return 0;
  }
  return 0;
}

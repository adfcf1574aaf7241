#include "engine/model/needs.hpp"

#include <array>

#include "engine/memory/arena.hpp"
#include "engine/model/layout.hpp"

namespace gpumodel::engine::model {
namespace {

constexpr std::uint64_t kBufferAlignment = 64;

constexpr std::uint64_t float_buffer_bytes(std::int64_t rows, std::int64_t columns) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(rows * columns) * sizeof(float);
  return (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
}

}  // namespace

std::uint64_t workspace_bytes(const io::ModelConfig& config) {
  const std::int64_t head_dim = config.head_dim;
  const std::array<std::int64_t, 7> columns{
      config.hidden_size,       config.hidden_size,
      config.rope_columns(),    (config.heads + 2 * std::int64_t{config.kv_heads}) * head_dim,
      config.heads * head_dim,  2 * std::int64_t{config.intermediate_size},
      config.intermediate_size,
  };
  std::uint64_t bytes = float_buffer_bytes(kMaxLogitRows, config.vocab_size);
  for (const std::int64_t width : columns) bytes += float_buffer_bytes(kMaxStepRows, width);
  return memory::round_to_pages(bytes);
}

Needs compute_needs(const Layout& layout, const io::ModelConfig& config) {
  const std::int64_t kv_elements =
      2 * std::int64_t{config.layers} * config.kv_heads * config.head_dim;
  return Needs{
      .tensor_bytes = layout.tensor_bytes,
      .kv_bytes_per_token =
          static_cast<std::uint64_t>(kv_elements * kv_element_bytes(layout.types.dtype)),
      .workspace_bytes = workspace_bytes(config),
  };
}

}  // namespace gpumodel::engine::model

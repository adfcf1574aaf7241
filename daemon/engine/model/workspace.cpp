#include "engine/model/workspace.hpp"

#include "engine/model/needs.hpp"

namespace gpumodel::engine::model {

Workspace lay_out_workspace(const io::ModelConfig& config, std::byte* base) {
  constexpr std::int64_t kAlignment = 64;
  const auto take = [&base](std::int64_t rows, std::int64_t columns) {
    auto* floats = reinterpret_cast<float*>(base);
    const std::int64_t bytes = rows * columns * static_cast<std::int64_t>(sizeof(float));
    base += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return floats;
  };
  const std::int64_t head_dim = config.head_dim;
  Workspace buffers{};
  buffers.residual = take(kMaxStepRows, config.hidden_size);
  buffers.normed = take(kMaxStepRows, config.hidden_size);
  buffers.rope = take(kMaxStepRows, config.rope_columns());
  buffers.qkv = take(kMaxStepRows, (config.heads + 2 * std::int64_t{config.kv_heads}) * head_dim);
  buffers.attention = take(kMaxStepRows, config.heads * head_dim);
  buffers.gate_up = take(kMaxStepRows, 2 * std::int64_t{config.intermediate_size});
  buffers.activation = take(kMaxStepRows, config.intermediate_size);
  buffers.logits = take(kMaxLogitRows, config.vocab_size);
  return buffers;
}

}  // namespace gpumodel::engine::model

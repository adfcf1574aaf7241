// Any bytes as config.json and generation_config.json: read within the promised ranges, or
// BadModel.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/io/hf_config.hpp"
#include "engine/model/architecture.hpp"
#include "engine/model/needs.hpp"

namespace io = gpumodel::engine::io;
namespace model = gpumodel::engine::model;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const io::ModelConfig config = model::parse_config(text);
    if (config.layers < 1 || config.heads % config.kv_heads != 0 || config.head_dim % 2 != 0) {
      std::abort();
    }
    if (model::find_architecture(config.architecture) == nullptr) std::abort();
    if (config.by_layer.size() != static_cast<std::size_t>(config.layers)) std::abort();
    for (const io::LayerConfig& layer : config.by_layer) {
      const bool known = layer.rope == io::LayerConfig::kNoRope ||
                         static_cast<std::size_t>(layer.rope) < config.ropes.size();
      if (!known || layer.window < 0) std::abort();
    }
    for (const io::RopeConfig& rope : config.ropes) {
      if (rope.rotary_dim() > config.head_dim || !std::isfinite(rope.magnitude)) std::abort();
      for (const float frequency : rope.frequencies) {
        if (!std::isfinite(frequency)) std::abort();
      }
    }
    if (model::workspace_bytes(config) == 0) std::abort();
  } catch (const gpumodel::engine::BadModel&) {
  }
  try {
    const io::GenerationDefaults defaults = io::parse_generation_config(text);
    if (!(defaults.temperature >= 0 && defaults.top_k >= 0 && defaults.top_p <= 1)) std::abort();
  } catch (const gpumodel::engine::BadModel&) {
  }
  return 0;
}

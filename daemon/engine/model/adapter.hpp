// A LoRA adapter in memory, of whatever ranks and modules, over a base that it leaves as it is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/device/backend.hpp"
#include "engine/model/adapter_layout.hpp"
#include "engine/model/loader.hpp"

namespace gpumodel::engine::model {

// Of one product of the base.
struct LoraWeights {
  device::MatrixView a;
  std::vector<device::LoraPart> parts;  // none: the product stays as it is

  device::LoraTerm term() const { return {a, parts}; }
};

struct LayerAdapter {
  LoraWeights qkv, o, gate_up, down;
};

// What an adapter needs of its base to be the same: models that differ here cannot take it.
struct BaseShape {
  std::int32_t layers = 0;
  std::int32_t hidden_size = 0;
  std::int32_t heads = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;
  std::int32_t intermediate_size = 0;

  static BaseShape of(const io::ModelConfig& config) {
    return {config.layers,   config.hidden_size, config.heads,
            config.kv_heads, config.head_dim,    config.intermediate_size};
  }
  bool operator==(const BaseShape&) const = default;
};

// Views of an arena.
struct AdapterWeights {
  BaseShape base;
  std::vector<LayerAdapter> layers;
  float* shrunk = nullptr;  // (kMaxStepRows, the largest a.rows): what a step computes with
};

// An adapter's folder, opened and checked against its base as far as headers go.
struct AdapterSource {
  io::TensorIndex tensors;
  AdapterLayout layout;
  BaseShape base;
  std::string identity;
  std::uint64_t bytes = 0;  // of its arena
};

// Throws BadModel.
AdapterSource open_adapter(const std::string& path, const io::ModelConfig& base);

// Views point into the arena, whose address a move keeps.
struct LoadedAdapter {
  memory::Arena arena;
  AdapterWeights weights;
};

// Errors as of load_weights().
LoadedAdapter load_adapter(const AdapterSource& source, const Destination& to,
                           const LoadOptions& options);

}  // namespace gpumodel::engine::model

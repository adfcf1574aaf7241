// Where in its arena each tensor of an adapter goes, and which of the base's products it changes.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/io/adapter_config.hpp"
#include "engine/io/model_config.hpp"
#include "engine/io/safetensors.hpp"
#include "engine/model/layout.hpp"

namespace gpumodel::engine::model {

// One module's lora_B.
struct LoraPartSlot {
  Slot b;
  std::int64_t first_rank = 0;
  std::int64_t first_column = 0;
  float scale = 0.0f;
};

// The modules that are side by side in one product of the base. Their lora_A lie below each other,
// in their own dtype where all have the same, else as floats.
struct LoraTermSlots {
  Slot a;
  std::vector<LoraPartSlot> parts;  // none: the product stays as it is
};

struct LayerLoraSlots {
  LoraTermSlots qkv, o, gate_up, down;
};

struct AdapterLayout {
  std::vector<LayerLoraSlots> layers;
  Slot shrunk;  // room for the largest shrunk input of a step
  std::vector<Piece> pieces;
  std::uint64_t bytes = 0;         // of the arena, in whole pages
  std::uint64_t source_bytes = 0;  // to be read from the file
};

// `tensors` is adapter_model.safetensors alone, with PEFT's names:
// "base_model.model.<module>.lora_A.weight" of (rank, inputs) and "....lora_B.weight" of (outputs,
// rank), for any of the linear modules of the base's layers. Throws BadModel that names file and
// tensor where one of them is anything else, or of a shape that the base does not have.
AdapterLayout make_adapter_layout(const io::AdapterConfig& adapter, const io::TensorIndex& tensors,
                                  const io::ModelConfig& base);

}  // namespace gpumodel::engine::model

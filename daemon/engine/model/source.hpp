// A model's folder, opened and checked as far as headers go: all that is known before a load.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/io/folder.hpp"
#include "engine/io/hf_config.hpp"
#include "engine/io/safetensors.hpp"
#include "engine/model/layout.hpp"
#include "engine/model/needs.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::engine::model {

// Holds the weight files open, so that a load after the identity was compared reads these very
// files.
struct ModelSource {
  io::Folder folder;
  io::ModelConfig config;
  io::GenerationDefaults generation;
  io::TensorIndex tensors;
  Layout layout;
  Needs needs;
  std::string identity;
};

// `dtype` as in resolve_dtype. Throws BadModel.
ModelSource open_source(const std::string& path, std::string_view dtype);

// The probe's answer, and what `gpumodel-engine --check` prints; with an adapter of the model where
// `adapter_path` names one. Throws BadModel.
wire::InspectResult inspect(const std::string& path, std::string_view dtype,
                            const std::optional<std::string>& adapter_path = std::nullopt);

}  // namespace gpumodel::engine::model

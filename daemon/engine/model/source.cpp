#include "engine/model/source.hpp"

#include "engine/io/identity.hpp"
#include "engine/model/adapter.hpp"
#include "engine/model/architecture.hpp"

namespace gpumodel::engine::model {

ModelSource open_source(const std::string& path, std::string_view dtype) {
  io::Folder folder = io::Folder::open(path);
  // Before it is read: a file that is replaced in between gives an identity that no later look
  // confirms.
  const io::OpenFile config_file = folder.open_file("config.json");
  io::ModelConfig config = read_config(folder);
  io::GenerationDefaults generation = io::read_generation_defaults(folder);
  io::TensorIndex tensors = io::open_tensors(folder);
  const WeightTypes types = resolve_dtype(dtype, config, tensors);
  Layout layout = make_layout(config, tensors, types);
  const Needs needs = compute_needs(layout, config);
  std::string identity = io::weights_identity(config_file, tensors, types.name());
  return ModelSource{std::move(folder),  std::move(config), std::move(generation),
                     std::move(tensors), std::move(layout), needs,
                     std::move(identity)};
}

wire::InspectResult inspect(const std::string& path, std::string_view dtype,
                            const std::optional<std::string>& adapter_path) {
  const ModelSource source = open_source(path, dtype);
  std::optional<wire::AdapterFacts> adapter;
  if (adapter_path) {
    const AdapterSource found = open_adapter(*adapter_path, source.config);
    adapter = {found.identity, found.bytes};
  }
  return wire::InspectResult{
      .identity = source.identity,
      .architecture = source.config.architecture,
      .dtype = source.layout.types.name(),
      .parameters = source.layout.parameters,
      .vocab_size = static_cast<std::uint32_t>(source.config.vocab_size),
      .context_tokens = static_cast<std::uint32_t>(source.config.max_position),
      .tensor_bytes = source.needs.tensor_bytes,
      .kv_bytes_per_token = source.needs.kv_bytes_per_token,
      .workspace_bytes = source.needs.workspace_bytes,
      .image_bytes = source.layout.tensor_bytes,
      .adapter = adapter,
  };
}

}  // namespace gpumodel::engine::model

#include "engine/model/adapter.hpp"

#include "engine/io/folder.hpp"
#include "engine/io/identity.hpp"

namespace gpumodel::engine::model {
namespace {

constexpr const char* kTensorsName = "adapter_model.safetensors";

io::OpenFile open_tensors_file(const io::Folder& folder) {
  std::optional<io::OpenFile> file = folder.find_file(kTensorsName);
  if (file) return std::move(*file);
  if (folder.find_file("adapter_model.bin"))
    throw BadModel("adapter_model.bin",
                   "is not read, since such a file can run code; save the adapter as safetensors");
  throw BadModel(kTensorsName, "does not exist");
}

LoraWeights views_of(const LoraTermSlots& slots, const std::byte* arena) {
  LoraWeights weights;
  weights.a = slots.a.view(arena);
  for (const LoraPartSlot& part : slots.parts)
    weights.parts.push_back({part.b.view(arena), part.first_rank, part.first_column, part.scale});
  return weights;
}

AdapterWeights make_views(const AdapterSource& source, std::byte* arena) {
  AdapterWeights weights;
  weights.base = source.base;
  for (const LayerLoraSlots& layer : source.layout.layers)
    weights.layers.push_back({views_of(layer.qkv, arena), views_of(layer.o, arena),
                              views_of(layer.gate_up, arena), views_of(layer.down, arena)});
  weights.shrunk = reinterpret_cast<float*>(arena + source.layout.shrunk.offset);
  return weights;
}

}  // namespace

AdapterSource open_adapter(const std::string& path, const io::ModelConfig& base) {
  const io::Folder folder = io::Folder::open(path, "adapter folder");
  // Before it is read: a file that is replaced in between gives an identity that no later look
  // confirms.
  const io::OpenFile config_file = folder.open_file(io::kAdapterConfigName);
  const io::AdapterConfig config =
      io::parse_adapter_config(folder.read_text(io::kAdapterConfigName, io::kMaxJsonBytes));
  io::OpenFile tensors_file = open_tensors_file(folder);
  AdapterSource source;
  source.identity = io::adapter_identity(config_file, tensors_file);
  source.tensors.tensors = io::read_safetensors_header(tensors_file);
  source.tensors.files.push_back(std::move(tensors_file));
  source.layout = make_adapter_layout(config, source.tensors, base);
  source.base = BaseShape::of(base);
  source.bytes = source.layout.bytes;
  return source;
}

LoadedAdapter load_adapter(const AdapterSource& source, const Destination& to,
                           const LoadOptions& options) {
  memory::Arena arena(to.budget, to.name, source.layout.bytes);
  read_pieces(source.tensors, source.layout.pieces, arena, options);
  arena.populate(source.layout.shrunk.offset, source.layout.bytes - source.layout.shrunk.offset);
  AdapterWeights weights = make_views(source, arena.data());
  return {std::move(arena), std::move(weights)};
}

}  // namespace gpumodel::engine::model

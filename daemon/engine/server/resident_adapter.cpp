#include "engine/server/resident_adapter.hpp"

#include <string>

#include "engine/io/hf_config.hpp"
#include "engine/model/architecture.hpp"
#include "engine/server/unload_report.hpp"

namespace gpumodel::engine::server {

std::shared_ptr<ResidentAdapter> ResidentAdapter::load(memory::Budget& budget,
                                                       const wire::LoadAdapterParams& params,
                                                       const model::LoadOptions& options) {
  const auto begun = std::chrono::steady_clock::now();
  const io::ModelConfig base = model::read_config(io::Folder::open(params.path));
  const model::AdapterSource source = model::open_adapter(params.adapter_path, base);
  if (source.identity != params.identity)
    throw BadModel("adapter_model.safetensors",
                   "the adapter's files changed since they were inspected");
  model::LoadedAdapter loaded = model::load_adapter(
      source, {budget, "gpumodel-adapter-" + std::to_string(params.adapter)}, options);
  return std::shared_ptr<ResidentAdapter>(
      new ResidentAdapter(params.adapter, std::move(loaded), milliseconds_since(begun)));
}

wire::LoadResult ResidentAdapter::report() const {
  return {loaded_.arena.bytes(), 0, 0, load_ms_, 0, std::nullopt};
}

wire::UnloadResult ResidentAdapter::release() { return release_arenas({&loaded_.arena}); }

}  // namespace gpumodel::engine::server

#include "benchmark/bare_engine.hpp"

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace gpumodel::bench {

using namespace engine;

int threads() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

std::unique_ptr<device::Backend> best_backend() {
  const char* const kernels = std::getenv("GPUMODEL_CPU_KERNELS");
  auto cpu = device::make_cpu_backend(threads(), kernels ? kernels : "");
  return cpu ? std::move(cpu) : device::make_aten_backend(threads());
}

BareEngine::BareEngine(const std::string& folder, const std::string& dtype, std::int64_t tokens,
                       device::Backend& backend)
    : source_(model::open_source(folder, dtype)),
      loaded_(model::load_weights(source_.tensors, source_.layout, {budget_, "weights"},
                                  {.threads = static_cast<unsigned>(threads()),
                                   .stop = {},
                                   .progress = {},
                                   .gives_way = {}})),
      layout_(kv::KvLayout::of(source_.config, source_.layout.types.dtype)),
      pool_(static_cast<std::int32_t>(kv::pages_for(tokens))),
      kv_(budget_, "kv", static_cast<std::uint64_t>(layout_.page_bytes() * kv::pages_for(tokens))),
      workspace_(budget_, "workspace", source_.needs.workspace_bytes),
      decoder_(source_.config, loaded_.weights, backend, kv::KvStore(layout_, kv_.data()),
               std::span(workspace_.data(), workspace_.bytes())) {}

}  // namespace gpumodel::bench

// One adapter in memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "engine/memory/budget.hpp"
#include "engine/model/adapter.hpp"
#include "engine/server/in_use.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::engine::server {

// Immutable after the load, until release(); but its views hold what a step computes with, so that
// only the step thread may run them.
class ResidentAdapter {
 public:
  // Checks the adapter against its model's folder and fills the arena. The budget outlives the
  // adapter. Throws BadModel, memory::OutOfMemory, model::LoadInterrupted; nothing stays behind.
  static std::shared_ptr<ResidentAdapter> load(memory::Budget& budget,
                                               const wire::LoadAdapterParams& params,
                                               const model::LoadOptions& options);

  std::uint64_t id() const { return id_; }
  const model::AdapterWeights& weights() const { return loaded_.weights; }

  // Sizes and time of the load; the process's resident bytes are the caller's to add.
  wire::LoadResult report() const;
  // Of the arena, as the kernel counts it.
  std::uint64_t resident_bytes() const { return loaded_.arena.resident_bytes(); }
  // Unmaps the arena and measures what came back. Nobody may use the adapter any more.
  wire::UnloadResult release();

  // Requests and measurements that still use it; release() waits for nobody, its caller does.
  std::atomic<std::uint32_t> uses{0};

 private:
  ResidentAdapter(std::uint64_t id, model::LoadedAdapter loaded, std::uint64_t load_ms)
      : id_(id), loaded_(std::move(loaded)), load_ms_(load_ms) {}

  std::uint64_t id_;
  model::LoadedAdapter loaded_;
  std::uint64_t load_ms_;
};

using AdapterUse = InUse<ResidentAdapter>;

}  // namespace gpumodel::engine::server

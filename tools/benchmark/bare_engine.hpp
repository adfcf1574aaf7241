// A model in memory and its decoder, as the engine has them, without the daemon around them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/device/backend.hpp"
#include "engine/kv/page_pool.hpp"
#include "engine/memory/arena.hpp"
#include "engine/model/decoder.hpp"
#include "engine/model/loader.hpp"
#include "engine/model/source.hpp"

namespace gpumodel::bench {

// As many as the engine would use.
int threads();

// The engine's own choice for this processor.
std::unique_ptr<engine::device::Backend> best_backend();

class BareEngine {
 public:
  // Loads the folder in `dtype` (bf16, int8, ...) with room for `tokens` in the key-value pages.
  // The backend outlives this. Throws what loading throws.
  BareEngine(const std::string& folder, const std::string& dtype, std::int64_t tokens,
             engine::device::Backend& backend);

  const engine::model::ModelSource& source() const { return source_; }
  engine::kv::PagePool& pool() { return pool_; }
  engine::model::Decoder& decoder() { return decoder_; }

 private:
  engine::model::ModelSource source_;
  engine::memory::Budget budget_{std::uint64_t{1} << 50};
  engine::model::LoadedWeights loaded_;
  engine::kv::KvLayout layout_;
  engine::kv::PagePool pool_;
  engine::memory::Arena kv_;
  engine::memory::Arena workspace_;
  engine::model::Decoder decoder_;
};

}  // namespace gpumodel::bench

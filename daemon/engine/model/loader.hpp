// Weights from their files into an arena.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <stop_token>
#include <string>

#include "engine/io/safetensors.hpp"
#include "engine/memory/arena.hpp"
#include "engine/model/layout.hpp"
#include "engine/model/weights.hpp"

namespace gpumodel::engine::model {

// The load was asked to stop; everything it had is freed.
class LoadInterrupted : public std::runtime_error {
 public:
  LoadInterrupted() : std::runtime_error("the load was cancelled") {}
};

struct LoadOptions {
  unsigned threads = 1;  // that read and convert, the caller's among them; 0 counts as 1
  std::stop_token stop;  // looked at before every slice of at most 8 MiB
  // (bytes read, bytes to read); called on the caller's thread after each of its slices, and at the
  // end with both equal. It may throw, which ends the load.
  std::function<void(std::uint64_t, std::uint64_t)> progress;
};

// Views point into the arena, whose address a move keeps.
struct LoadedWeights {
  memory::Arena arena;
  ModelWeights weights;
};

// Reads slices of the files straight to their place, or converts them on the way where dtypes
// differ. Errors: BadModel (a file became shorter or cannot be read), memory::OutOfMemory,
// LoadInterrupted. Whatever the error, all memory is freed and all threads have ended.
LoadedWeights load_weights(const io::TensorIndex& tensors, const Layout& layout,
                           memory::Budget& budget, const std::string& arena_name,
                           const LoadOptions& options);

}  // namespace gpumodel::engine::model

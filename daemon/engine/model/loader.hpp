// Weights from their files, or from a host image, into an arena.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/io/safetensors.hpp"
#include "engine/memory/arena.hpp"
#include "engine/model/layout.hpp"
#include "engine/model/slices.hpp"
#include "engine/model/weights.hpp"
#include "os/fd.hpp"

namespace gpumodel::engine::model {

// Views point into the arena, whose address a move keeps.
struct LoadedWeights {
  memory::Arena arena;
  ModelWeights weights;
};

// Where the weights go, counted against `budget` under `name`. The budget outlives them.
struct Destination {
  memory::Budget& budget;
  std::string name;
};

// Reads slices of the files straight to their place in the arena, or converts them on the way where
// dtypes differ. Errors, here and below: BadModel (a file became shorter, cannot be read, or holds
// a NaN or an infinity), memory::OutOfMemory, LoadInterrupted. Whatever the error, all memory is
// freed and all threads have ended.
void read_pieces(const io::TensorIndex& tensors, std::span<const Piece> pieces,
                 const memory::Arena& arena, const LoadOptions& options);

LoadedWeights load_weights(const io::TensorIndex& tensors, const Layout& layout,
                           const Destination& to, const LoadOptions& options);

// The same into `image`, a memfd of layout.tensor_bytes. The arena is a mapping of it that nobody
// may write any more. Throws std::system_error where it cannot be mapped.
struct FilledImage {
  LoadedWeights loaded;
  std::uint64_t checksum = 0;
};
FilledImage fill_image(const io::TensorIndex& tensors, const Layout& layout, const Destination& to,
                       const os::Fd& image, const LoadOptions& options);

// Maps an image that was filled by the same layout. Reads no file.
LoadedWeights map_image(const Layout& layout, const Destination& to, const os::Fd& image,
                        const LoadOptions& options);

// XXH3 (64 bits) over the little-endian XXH3 sums of the arena's slices of kMostSliceBytes. Reports
// no progress.
std::uint64_t image_checksum(const memory::Arena& image, const LoadOptions& options);

}  // namespace gpumodel::engine::model

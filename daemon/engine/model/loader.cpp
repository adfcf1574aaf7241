#include "engine/model/loader.hpp"

#include <fcntl.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <span>
#include <vector>

#include "engine/model/convert.hpp"

namespace gpumodel::engine::model {
namespace {

constexpr std::uint64_t kReadBytes = std::uint64_t{8} << 20;  // at once, in the file
static_assert(kReadBytes <= kMostSliceBytes);
// So much stays in the core's cache between being read and being looked at or converted.
constexpr std::uint64_t kCachedBytes = std::uint64_t{256} << 10;

static_assert(std::endian::native == std::endian::little);

std::vector<Piece> cut_into_slices(std::span<const Piece> pieces) {
  std::vector<Piece> slices;
  for (const Piece& piece : pieces) {
    const std::uint64_t at_once = kReadBytes / io::dtype_bytes(piece.source);
    for (std::uint64_t done = 0; done < piece.elements; done += at_once) {
      Piece slice = piece;
      slice.elements = std::min(at_once, piece.elements - done);
      slice.file_offset += done * io::dtype_bytes(piece.source);
      slice.arena_offset += done * io::dtype_bytes(piece.target);
      slices.push_back(slice);
    }
  }
  return slices;
}

// Reads values of the slice from `done` on, and looks at them while they are in the core's cache.
void read_values(const io::OpenFile& file, const Piece& slice, std::uint64_t done, std::byte* to,
                 std::uint64_t count) {
  const std::size_t bytes = io::dtype_bytes(slice.source);
  io::read_exactly(file, slice.file_offset + done * bytes, to, count * bytes);
  if (!all_finite(to, slice.source, count))
    throw BadModel(file.name, "tensor " + slice.tensor +
                                  " holds values that are no finite numbers; the file is damaged, "
                                  "or its training failed");
}

void read_slice(const io::OpenFile& file, const Piece& slice, const memory::Arena& arena) {
  std::byte* to = arena.data() + slice.arena_offset;
  const std::size_t target_bytes = io::dtype_bytes(slice.target);
  arena.populate(slice.arena_offset, slice.elements * target_bytes);
  const bool converts = slice.source != slice.target;
  const auto buffer =
      converts ? std::make_unique_for_overwrite<std::byte[]>(kCachedBytes) : nullptr;
  const std::uint64_t at_once = kCachedBytes / io::dtype_bytes(slice.source);
  for (std::uint64_t done = 0; done < slice.elements; done += at_once) {
    const std::uint64_t count = std::min(at_once, slice.elements - done);
    std::byte* place = to + done * target_bytes;
    read_values(file, slice, done, converts ? buffer.get() : place, count);
    if (converts) convert(buffer.get(), slice.source, place, slice.target, count);
  }
}

// Slices of an arena's own bytes.
std::vector<std::uint64_t> arena_slices(const memory::Arena& arena) {
  std::vector<std::uint64_t> bytes;
  for (std::uint64_t done = 0; done < arena.bytes(); done += kMostSliceBytes)
    bytes.push_back(std::min(kMostSliceBytes, arena.bytes() - done));
  return bytes;
}

LoadedWeights with_views(const Layout& layout, memory::Arena arena) {
  ModelWeights weights = make_views(layout, arena.data());
  return {std::move(arena), std::move(weights)};
}

}  // namespace

void read_pieces(const io::TensorIndex& tensors, std::span<const Piece> pieces,
                 const memory::Arena& arena, const LoadOptions& options) {
  for (const io::OpenFile& file : tensors.files)
    ::posix_fadvise(file.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  const std::vector<Piece> slices = cut_into_slices(pieces);
  std::vector<std::uint64_t> bytes;
  bytes.reserve(slices.size());
  for (const Piece& slice : slices) bytes.push_back(slice.source_bytes());
  for_each_slice(bytes, options, [&](std::size_t number) {
    read_slice(tensors.files[slices[number].file], slices[number], arena);
  });
}

LoadedWeights load_weights(const io::TensorIndex& tensors, const Layout& layout,
                           const Destination& to, const LoadOptions& options) {
  memory::Arena arena(to.budget, to.name, layout.tensor_bytes);
  read_pieces(tensors, layout.pieces, arena, options);
  return with_views(layout, std::move(arena));
}

FilledImage fill_image(const io::TensorIndex& tensors, const Layout& layout, const Destination& to,
                       const os::Fd& image, const LoadOptions& options) {
  memory::Arena arena(to.budget, to.name, layout.tensor_bytes, image,
                      memory::Arena::Access::read_write);
  read_pieces(tensors, layout.pieces, arena, options);
  arena.make_read_only();
  const std::uint64_t checksum = image_checksum(arena, options);
  return {with_views(layout, std::move(arena)), checksum};
}

LoadedWeights map_image(const Layout& layout, const Destination& to, const os::Fd& image,
                        const LoadOptions& options) {
  memory::Arena arena(to.budget, to.name, layout.tensor_bytes, image,
                      memory::Arena::Access::read_only);
  for_each_slice(arena_slices(arena), options, [&](std::size_t number) {
    arena.populate(number * kMostSliceBytes, kMostSliceBytes);
  });
  return with_views(layout, std::move(arena));
}

std::uint64_t image_checksum(const memory::Arena& image, const LoadOptions& options) {
  const std::vector<std::uint64_t> slices = arena_slices(image);
  std::vector<std::uint64_t> sums(slices.size());
  LoadOptions quiet = options;
  quiet.progress = nullptr;
  for_each_slice(slices, quiet, [&](std::size_t number) {
    sums[number] = XXH3_64bits(image.data() + number * kMostSliceBytes, slices[number]);
  });
  return XXH3_64bits(sums.data(), sums.size() * sizeof sums[0]);
}

}  // namespace gpumodel::engine::model

#include "engine/model/loader.hpp"

#include <fcntl.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <span>
#include <vector>

#include "engine/model/convert.hpp"
#include "engine/model/quantize.hpp"

namespace gpumodel::engine::model {
namespace {

constexpr std::uint64_t kReadBytes = std::uint64_t{8} << 20;  // at once, in the file
static_assert(kReadBytes <= kMostSliceBytes);
// So much stays in the core's cache between being read and being looked at or converted.
constexpr std::uint64_t kCachedBytes = std::uint64_t{256} << 10;

static_assert(std::endian::native == std::endian::little);

// As many whole rows as these bytes of the file hold, and one at least.
std::int64_t rows_within(std::uint64_t bytes, const Piece& piece) {
  return static_cast<std::int64_t>(std::max<std::uint64_t>(1, bytes / piece.row_source_bytes()));
}

// Calls body with parts of so many rows.
template <class Body>
void for_parts(const Piece& piece, std::int64_t rows, const Body& body) {
  for (std::int64_t done = 0; done < piece.rows; done += rows)
    body(piece.part(done, std::min(rows, piece.rows - done)));
}

std::vector<Piece> cut_into_slices(std::span<const Piece> pieces) {
  std::vector<Piece> slices;
  for (const Piece& piece : pieces)
    for_parts(piece, rows_within(kReadBytes, piece),
              [&](Piece slice) { slices.push_back(std::move(slice)); });
  return slices;
}

BadModel bad_values(const io::OpenFile& file, const Piece& piece, const char* what) {
  return BadModel(file.name, "tensor " + piece.tensor + " holds values " + what);
}

// Reads a part of a slice, and looks at it while it is in the core's cache.
void read_values(const io::OpenFile& file, const Piece& part, std::byte* to) {
  io::read_exactly(file, part.file_offset, to, part.source_bytes());
  if (!all_finite(to, part.source, part.elements()))
    throw bad_values(file, part,
                     "that are no finite numbers; the file is damaged, or its training failed");
}

// Room for what is between the file and the arena: a part as it was read, and as floats.
struct Between {
  std::unique_ptr<std::byte[]> read;
  std::unique_ptr<float[]> floats;

  explicit Between(const Piece& part) {
    if (part.target == device::format_of(part.source)) return;
    read = std::make_unique_for_overwrite<std::byte[]>(part.source_bytes());
    if (device::is_quantized(part.target))
      floats = std::make_unique_for_overwrite<float[]>(part.elements());
  }
};

void read_part(const io::OpenFile& file, const Piece& part, const Between& between,
               const memory::Arena& arena) {
  std::byte* to = arena.data() + part.arena_offset;
  if (part.target == device::format_of(part.source)) return read_values(file, part, to);
  read_values(file, part, between.read.get());
  if (!device::is_quantized(part.target))
    return convert(between.read.get(), part.source, to, device::dtype_of(part.target),
                   part.elements());
  convert(between.read.get(), part.source, reinterpret_cast<std::byte*>(between.floats.get()),
          io::DType::f32, part.elements());
  if (!quantize_rows(between.floats.get(), part.rows, part.columns, part.target, to,
                     arena.data() + part.scales_offset))
    throw bad_values(file, part, "too large for int4; load the model with another dtype");
}

void read_slice(const io::OpenFile& file, const Piece& slice, const memory::Arena& arena) {
  const auto rows = static_cast<std::uint64_t>(slice.rows);
  const auto bytes = [&](std::int64_t of_row) { return rows * static_cast<std::uint64_t>(of_row); };
  arena.populate(slice.arena_offset, bytes(device::row_bytes(slice.target, slice.columns)));
  if (device::is_quantized(slice.target))
    arena.populate(slice.scales_offset,
                   bytes(device::row_scale_bytes(slice.target, slice.columns)));
  const std::int64_t at_once = std::min(slice.rows, rows_within(kCachedBytes, slice));
  const Between between(slice.part(0, at_once));
  for_parts(slice, at_once, [&](const Piece& part) { read_part(file, part, between, arena); });
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

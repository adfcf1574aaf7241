#include <algorithm>

#include "engine/device/cpu/avx2/linear.hpp"
#include "engine/device/cpu/avx2/tile.hpp"

namespace gpumodel::engine::device::cpu::avx2 {
namespace {

// A panel of kMaxDepth x 16 floats (20 KiB) stays in the first-level cache while all rows of x pass
// it.
constexpr std::int64_t kMaxDepth = 320;

// Depth of the blocks that `columns` is cut into: nearly equal, multiples of 8.
std::int64_t block_depth(std::int64_t columns) {
  const std::int64_t blocks = (columns + kMaxDepth - 1) / kMaxDepth;
  return ((columns + blocks - 1) / blocks + 7) / 8 * 8;
}

void start_columns(const LinearArgs& args, std::int64_t first, std::int64_t count) {
  for (std::int64_t row = 0; row < args.rows; ++row) {
    float* out = args.out + row * args.out_stride + first;
    for (std::int64_t i = 0; i < count; ++i) {
      const float bias = args.bias ? args.bias[first + i] : 0.0f;
      out[i] = args.output == Output::add ? out[i] + bias : bias;
    }
  }
}

// A tile of fewer than 16 columns goes through a buffer, so that the neighbour's are not touched.
void narrow_tile(std::int64_t rows, const float* a, std::int64_t a_stride, const float* panel,
                 std::int64_t depth, float* c, std::int64_t c_stride, std::int64_t columns) {
  float buffer[kTileRows * kTileColumns] = {};
  tile(rows, a, a_stride, panel, kTileColumns, depth, buffer, kTileColumns);
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t i = 0; i < columns; ++i)
      c[row * c_stride + i] += buffer[row * kTileColumns + i];
}

template <class Rows>
void panel_product(const LinearArgs& args, std::int64_t first, std::int64_t count, float* panel) {
  const std::int64_t columns = args.w.columns;
  const Rows w(args.w, first);
  const std::int64_t step = block_depth(columns);
  for (std::int64_t k = 0; k < columns; k += step) {
    const std::int64_t depth = std::min(step, columns - k);
    unpack_panel(w, k, count, depth, panel);
    for (std::int64_t row = 0; row < args.rows; row += kTileRows) {
      const std::int64_t rows = std::min(kTileRows, args.rows - row);
      const float* a = args.x + row * args.x_stride + k;
      float* c = args.out + row * args.out_stride + first;
      if (count == kTileColumns)
        tile(rows, a, args.x_stride, panel, kTileColumns, depth, c, args.out_stride);
      else
        narrow_tile(rows, a, args.x_stride, panel, depth, c, args.out_stride, count);
    }
  }
}

}  // namespace

std::int64_t linear_scratch_floats(std::int64_t) { return kMaxDepth * kTileColumns; }

void linear_many_rows(const LinearArgs& args, std::int64_t first, std::int64_t last,
                      float* scratch) {
  with_rows(args.w.format, [&]<class Rows>() {
    for (std::int64_t column = first; column < last; column += kTileColumns) {
      const std::int64_t count = std::min(kTileColumns, last - column);
      start_columns(args, column, count);
      panel_product<Rows>(args, column, count, scratch);
    }
  });
}

}  // namespace gpumodel::engine::device::cpu::avx2

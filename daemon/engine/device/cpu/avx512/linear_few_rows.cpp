#include "engine/device/cpu/avx2/linear.hpp"
#include "engine/device/cpu/avx512/bf16.hpp"
#include "engine/device/cpu/avx512/integers.hpp"
#include "engine/device/cpu/avx512/linear.hpp"

namespace gpumodel::engine::device::cpu::avx512 {

void linear_few_rows(const LinearArgs& args, std::int64_t first, std::int64_t last) {
  const std::int64_t columns = args.w.columns;
  if (args.input == Input::floats) return avx2::linear_few_rows(args, first, last);
  switch (args.w.format) {
    case MatrixFormat::f32:
    case MatrixFormat::f16:
      return;  // only as floats
    case MatrixFormat::bf16:
      return for_tiles(
          first, last, args.rows, [&]<int W, int X>(std::int64_t w_row, std::int64_t x_row) {
            const auto* w = static_cast<const std::uint16_t*>(args.w.data) + w_row * columns;
            bf16_tile<W, X, true>(args, {w, columns, nullptr}, w_row, x_row);
          });
    case MatrixFormat::int8:
      return for_tiles(first, last, args.rows,
                       [&]<int W, int X>(std::int64_t w_row, std::int64_t x_row) {
                         integer_tile<W, X, Int8Weights>(args, w_row, x_row);
                       });
    case MatrixFormat::int4:
      return for_tiles(first, last, args.rows,
                       [&]<int W, int X>(std::int64_t w_row, std::int64_t x_row) {
                         integer_tile<W, X, Int4Weights>(args, w_row, x_row);
                       });
  }
}

}  // namespace gpumodel::engine::device::cpu::avx512

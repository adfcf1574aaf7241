#include <algorithm>

#include "engine/device/cpu/avx2/linear.hpp"
#include "engine/device/cpu/avx2/rows.hpp"
#include "engine/device/cpu/avx512/bf16.hpp"
#include "engine/device/cpu/avx512/linear.hpp"

namespace gpumodel::engine::device::cpu::avx512 {
namespace {

// So many rows of x pass all weights of a task before the next: with them they stay in the
// second-level cache.
constexpr std::int64_t kInputBytes = 384 * 1024;

std::int64_t padded(std::int64_t columns) { return (columns + kStep - 1) / kStep * kStep; }

// Rows of weights in bf16 without their factors, which for int8 are exact.
template <class Rows>
void widen(const Rows& from, std::int64_t rows, std::int64_t columns, std::uint16_t* to) {
  for (std::int64_t row = 0; row < rows; ++row, to += padded(columns)) {
    std::int64_t k = 0;
    for (; k + 16 <= columns; k += 16) {
      _mm_prefetch(reinterpret_cast<const char*>(from.address(row + kTaskRows, k)), _MM_HINT_T0);
      const __m512 values =
          _mm512_insertf32x8(_mm512_castps256_ps512(from.load8(row, k)), from.load8(row, k + 8), 1);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + k), (__m256i)_mm512_cvtneps_pbh(values));
    }
    for (; k < columns; ++k) {
      const __m128 value = _mm_set_ss(from.load1(row, k));
      to[k] = static_cast<std::uint16_t>(_mm_extract_epi16((__m128i)_mm_cvtneps_pbh(value), 0));
    }
  }
}

template <int W, class Rows>
void widened_rows(const LinearArgs& args, std::int64_t w_row, std::uint16_t* scratch) {
  const Rows from(args.w, w_row);
  widen(from, W, args.w.columns, scratch);
  float factors[W];
  const float* used = nullptr;
  if constexpr (Rows::kHasFactor) {
    for (int i = 0; i < W; ++i) factors[i] = from.factor(i);
    used = factors;
  }
  for_tiles(0, W, args.rows, [&]<int W2, int X>(std::int64_t, std::int64_t x_row) {
    if constexpr (W2 == W)
      bf16_tile<W, X, false>(args, {scratch, padded(args.w.columns), used}, w_row, x_row);
  });
}

template <class Rows>
void quantized(const LinearArgs& args, std::int64_t first, std::int64_t last, float* scratch) {
  auto* widened = reinterpret_cast<std::uint16_t*>(scratch);
  std::int64_t w_row = first;
  for (; w_row + kTaskRows <= last; w_row += kTaskRows)
    widened_rows<kTaskRows, Rows>(args, w_row, widened);
  for (; w_row < last; ++w_row) widened_rows<1, Rows>(args, w_row, widened);
}

void bf16(const LinearArgs& args, std::int64_t first, std::int64_t last) {
  const std::int64_t columns = args.w.columns;
  const std::int64_t most = std::max<std::int64_t>(4, kInputBytes / args.packed_stride / 4 * 4);
  for (std::int64_t row = 0; row < args.rows; row += most) {
    LinearArgs part = args;
    part.rows = std::min(most, args.rows - row);
    part.packed += row * args.packed_stride;
    part.out += row * args.out_stride;
    for_tiles(first, last, part.rows, [&]<int W, int X>(std::int64_t w_row, std::int64_t x_row) {
      const auto* w = static_cast<const std::uint16_t*>(args.w.data) + w_row * columns;
      if (row == 0 && x_row == 0)
        bf16_tile<W, X, true>(part, {w, columns, nullptr}, w_row, x_row);
      else
        bf16_tile<W, X, false>(part, {w, columns, nullptr}, w_row, x_row);
    });
  }
}

}  // namespace

std::int64_t linear_scratch_floats(std::int64_t columns) {
  return std::max(avx2::linear_scratch_floats(columns), kTaskRows * padded(columns) / 2);
}

void linear_many_rows(const LinearArgs& args, std::int64_t first, std::int64_t last,
                      float* scratch) {
  if (args.input == Input::floats) return avx2::linear_many_rows(args, first, last, scratch);
  switch (args.w.format) {
    case MatrixFormat::f32:
    case MatrixFormat::f16:
      return;  // only as floats
    case MatrixFormat::bf16:
      return bf16(args, first, last);
    case MatrixFormat::int8:
      return quantized<avx2::Int8Rows>(args, first, last, scratch);
    case MatrixFormat::int4:
      return quantized<avx2::Int4Rows>(args, first, last, scratch);
  }
}

}  // namespace gpumodel::engine::device::cpu::avx512

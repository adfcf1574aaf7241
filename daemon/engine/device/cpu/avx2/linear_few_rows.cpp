#include "engine/device/cpu/avx2/integers.hpp"
#include "engine/device/cpu/avx2/linear.hpp"
#include "engine/device/cpu/avx2/rows.hpp"

namespace gpumodel::engine::device::cpu::avx2 {
namespace {

// Writes what W weight rows from w_row on and X rows of x from x_row on make.
template <int W, int X>
void put(const LinearArgs& args, std::int64_t w_row, std::int64_t x_row, const float (&dots)[W][X],
         const float* factors) {
  for (int i = 0; i < W; ++i)
    for (int j = 0; j < X; ++j) {
      float dot = factors ? dots[i][j] * factors[i] : dots[i][j];
      if (args.bias) dot += args.bias[w_row + i];
      float& out = args.out[(x_row + j) * args.out_stride + w_row + i];
      out = args.output == Output::add ? out + dot : dot;
    }
}

// Of floats: enough independent sums to hide the latency of the fused multiply-add, few enough to
// stay in registers; with one row of x the sums are split further.
template <int W, int X, class Rows>
void float_dots(const LinearArgs& args, const Rows& w, std::int64_t x_row, float (&dots)[W][X]) {
  const std::int64_t depth = args.w.columns;
  const float* x = args.x + x_row * args.x_stride;
  constexpr int kSplit = W * X <= 4 ? 2 : 1;
  __m256 sum[kSplit][W][X];
  for (auto& part : sum)
    for (auto& row : part)
      for (auto& value : row) value = _mm256_setzero_ps();
  std::int64_t k = 0;
  for (; k + 8 * kSplit <= depth; k += 8 * kSplit) {
#pragma GCC unroll 2
    for (int part = 0; part < kSplit; ++part) {
      __m256 weight[W];
#pragma GCC unroll 4
      for (int i = 0; i < W; ++i) weight[i] = w.load8(i, k + 8 * part);
#pragma GCC unroll 4
      for (int j = 0; j < X; ++j) {
        const __m256 value = _mm256_loadu_ps(x + j * args.x_stride + k + 8 * part);
#pragma GCC unroll 4
        for (int i = 0; i < W; ++i)
          sum[part][i][j] = _mm256_fmadd_ps(weight[i], value, sum[part][i][j]);
      }
    }
    if constexpr (X <= 4) {
      // The hardware stops at every page; the next W rows are where the weights go on.
#pragma GCC unroll 4
      for (int i = 0; i < W; ++i)
        _mm_prefetch(reinterpret_cast<const char*>(w.address(W + i, k)), _MM_HINT_T0);
    }
  }
  for (int i = 0; i < W; ++i)
    for (int j = 0; j < X; ++j) {
      __m256 total = sum[0][i][j];
      if constexpr (kSplit == 2) total = _mm256_add_ps(total, sum[1][i][j]);
      dots[i][j] = sum8(total);
      for (std::int64_t tail = k; tail < depth; ++tail)
        dots[i][j] += w.load1(i, tail) * x[j * args.x_stride + tail];
    }
}

template <int W, int X, class Rows>
void dots(const LinearArgs& args, std::int64_t w_row, std::int64_t x_row) {
  const Rows w(args.w, w_row);
  float result[W][X];
  const float* factors = nullptr;
  if constexpr (requires { w.factors(); }) {
    integer_dots<W, X>(args, w, x_row, result);
    factors = w.factors();
  } else {
    float_dots<W, X>(args, w, x_row, result);
  }
  put<W, X>(args, w_row, x_row, result, factors);
}

template <int W, class Rows>
void all_x(const LinearArgs& args, std::int64_t w_row) {
  std::int64_t x_row = 0;
  for (; x_row + 4 <= args.rows; x_row += 4) dots<W, 4, Rows>(args, w_row, x_row);
  switch (args.rows - x_row) {
    case 3:
      return dots<W, 3, Rows>(args, w_row, x_row);
    case 2:
      return dots<W, 2, Rows>(args, w_row, x_row);
    case 1:
      return dots<W, 1, Rows>(args, w_row, x_row);
    default:
      return;
  }
}

template <class Rows>
void columns(const LinearArgs& args, std::int64_t first, std::int64_t last) {
  std::int64_t w_row = first;
  if (args.rows <= 2) {
    for (; w_row + 4 <= last; w_row += 4) all_x<4, Rows>(args, w_row);
  } else {
    for (; w_row + 2 <= last; w_row += 2) all_x<2, Rows>(args, w_row);
  }
  for (; w_row < last; ++w_row) all_x<1, Rows>(args, w_row);
}

}  // namespace

void linear_few_rows(const LinearArgs& args, std::int64_t first, std::int64_t last) {
  switch (args.w.format) {
    case MatrixFormat::f32:
      return columns<PlainRows<float>>(args, first, last);
    case MatrixFormat::f16:
      return columns<PlainRows<Half>>(args, first, last);
    case MatrixFormat::bf16:
      return columns<PlainRows<BFloat16>>(args, first, last);
    case MatrixFormat::int8:
      return columns<Int8Weights>(args, first, last);
    case MatrixFormat::int4:
      return columns<Int4Weights>(args, first, last);
  }
}

}  // namespace gpumodel::engine::device::cpu::avx2

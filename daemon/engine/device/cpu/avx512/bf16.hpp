// Products of bf16 weights with pairs of bf16, by the instruction that adds two products to a
// float.
#pragma once

#include "engine/device/cpu/avx512/simd.hpp"
#include "engine/device/cpu/avx512/sums.hpp"

namespace gpumodel::engine::device::cpu::avx512 {
namespace {

constexpr std::int64_t kStep = 32;  // columns in a vector

struct Bf16Rows {
  const std::uint16_t* first;
  std::int64_t stride;   // elements
  const float* factors;  // of the rows, or nullptr
};

inline __m512i load32(const std::uint16_t* from) { return _mm512_loadu_si512(from); }
inline __m512i load_first(const std::uint16_t* from, std::int64_t count) {
  return _mm512_maskz_loadu_epi16(static_cast<__mmask32>((std::uint64_t{1} << count) - 1), from);
}

// W rows of weights from w_row on by X rows of x from x_row on. With few products the sums are
// split, to hide the latency of an addition. With `Fetches` the rows behind these are asked for:
// the hardware stops at every page.
template <int W, int X, bool Fetches>
inline void bf16_tile(const LinearArgs& args, const Bf16Rows& w, std::int64_t w_row,
                      std::int64_t x_row) {
  constexpr int kSplit = W * X <= 4 ? 2 : 1;
  const std::int64_t depth = args.w.columns;
  const auto* x = reinterpret_cast<const std::uint16_t*>(args.packed + x_row * args.packed_stride);
  const std::int64_t x_stride = args.packed_stride / 2;
  const std::int64_t rest = x_stride / 2;  // from what is rounded to what that took away
  __m512 sum[kSplit][W][X];
  for (auto& split : sum)
    for (auto& row : split)
      for (auto& value : row) value = _mm512_setzero_ps();
  std::int64_t k = 0;
  for (; k + kStep * kSplit <= depth; k += kStep * kSplit) {
#pragma GCC unroll 2
    for (int split = 0; split < kSplit; ++split) {
      const std::int64_t column = k + kStep * split;
      __m512i value[2][X];
#pragma GCC unroll 2
      for (int p = 0; p < 2; ++p)
#pragma GCC unroll 4
        for (int j = 0; j < X; ++j) value[p][j] = load32(x + j * x_stride + p * rest + column);
#pragma GCC unroll 4
      for (int i = 0; i < W; ++i) {
        const std::uint16_t* from = w.first + i * w.stride + column;
        const __m512i weight = load32(from);
        if constexpr (Fetches)
          _mm_prefetch(reinterpret_cast<const char*>(from + W * w.stride), _MM_HINT_T0);
#pragma GCC unroll 2
        for (int p = 0; p < 2; ++p)
#pragma GCC unroll 4
          for (int j = 0; j < X; ++j)
            sum[split][i][j] = add_products(sum[split][i][j], weight, value[p][j]);
      }
    }
  }
  for (; k < depth; k += kStep) {
    const std::int64_t count = depth - k < kStep ? depth - k : kStep;
    for (int i = 0; i < W; ++i) {
      const __m512i weight = load_first(w.first + i * w.stride + k, count);
      for (int p = 0; p < 2; ++p)
        for (int j = 0; j < X; ++j)
          sum[0][i][j] =
              add_products(sum[0][i][j], weight, load32(x + j * x_stride + p * rest + k));
    }
  }
  if constexpr (kSplit == 2)
    for (int i = 0; i < W; ++i)
      for (int j = 0; j < X; ++j) sum[0][i][j] = _mm512_add_ps(sum[0][i][j], sum[1][i][j]);
  put<W, X>(args, w_row, x_row, sum[0], w.factors);
}

}  // namespace
}  // namespace gpumodel::engine::device::cpu::avx512

// The words of CUDA C++ that our kernels use, for g++ and the simulated device.
#pragma once

#include <cmath>
#include <cstdint>
#include <source_location>

#include "support/simt/block.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

extern gpumodel::test::simt::Dim3 threadIdx, blockIdx, blockDim, gridDim;

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  gpumodel::test::simt::Block::current().sync_block(where);
}

inline void __syncwarp(std::uint32_t mask = ~std::uint32_t{0}) {
  using namespace gpumodel::test::simt;
  Block::current().sync_warp(WarpCall::sync, mask, 0);
}

inline std::uint32_t __ballot_sync(std::uint32_t mask, bool predicate) {
  using namespace gpumodel::test::simt;
  const WarpValues& votes = Block::current().sync_warp(WarpCall::ballot, mask, predicate);
  std::uint32_t result = 0;
  for (unsigned lane = 0; lane < kWarpLanes; ++lane)
    result |= static_cast<std::uint32_t>(votes[lane]) << lane;
  return result;
}

namespace gpumodel::test::simt {

// The value of `source` where it lies in the caller's segment of `width` lanes, its own otherwise.
template <class T>
T shuffle(std::uint32_t mask, T value, int source, int width) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  Block& block = Block::current();
  const int lane = static_cast<int>(block.lane());
  const WarpValues& values = block.sync_warp(WarpCall::shuffle, mask, bits);
  const int first = lane / width * width;
  if (source < first || source >= first + width) return value;
  if ((mask >> source & 1) == 0)
    throw Fault(FaultKind::warp_mask, "lane " + std::to_string(lane) + " reads lane " +
                                          std::to_string(source) + ", which the mask lacks");
  std::memcpy(&value, &values[static_cast<std::size_t>(source)], sizeof value);
  return value;
}

inline int own_lane() { return static_cast<int>(Block::current().lane()); }

}  // namespace gpumodel::test::simt

template <class T>
T __shfl_sync(std::uint32_t mask, T value, int source, int width = 32) {
  const int first = gpumodel::test::simt::own_lane() / width * width;
  return gpumodel::test::simt::shuffle(mask, value, first + (source & (width - 1)), width);
}
template <class T>
T __shfl_xor_sync(std::uint32_t mask, T value, int lanes, int width = 32) {
  return gpumodel::test::simt::shuffle(mask, value, gpumodel::test::simt::own_lane() ^ lanes,
                                       width);
}
template <class T>
T __shfl_up_sync(std::uint32_t mask, T value, int delta, int width = 32) {
  return gpumodel::test::simt::shuffle(mask, value, gpumodel::test::simt::own_lane() - delta,
                                       width);
}
template <class T>
T __shfl_down_sync(std::uint32_t mask, T value, int delta, int width = 32) {
  return gpumodel::test::simt::shuffle(mask, value, gpumodel::test::simt::own_lane() + delta,
                                       width);
}

template <class T>
T atomicAdd(gpumodel::test::simt::Ptr<T> at, T value) {
  return at.add_atomically(value);
}

// The simulated device: what it computes, and that it finds each kind of mistake.
#include <boost/test/unit_test.hpp>
#include <functional>
#include <ostream>
#include <vector>

#include "support/simt/cuda.hpp"

using namespace gpumodel::test::simt;

namespace gpumodel::test::simt {
std::ostream& operator<<(std::ostream& out, FaultKind kind) {
  return out << "fault " << static_cast<int>(kind);
}
}  // namespace gpumodel::test::simt

namespace {

constexpr std::uint32_t kAll = ~std::uint32_t{0};

void require_fault(FaultKind expected, Dim3 grid, Dim3 block, const std::function<void()>& kernel) {
  try {
    run(grid, block, 0, kernel);
  } catch (const Fault& fault) {
    BOOST_TEST(fault.kind() == expected, fault.what());
    return;
  }
  BOOST_ERROR("nothing was found");
}

Ptr<int> shared_numbers(std::size_t count) {
  static const char declaration = 0;
  Region& region = Block::current().shared(&declaration, "numbers", count * sizeof(int));
  return {region, reinterpret_cast<int*>(region.base())};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simt)

BOOST_AUTO_TEST_CASE(every_thread_of_every_block_runs_once) {
  Buffer<int> counts("counts", std::vector<int>(2 * 3 * 40));
  run({2, 3}, {8, 5}, 0, [&] {
    const unsigned block = blockIdx.y * gridDim.x + blockIdx.x;
    counts.ptr()[block * 40 + threadIdx.y * blockDim.x + threadIdx.x] += 1;
  });
  BOOST_TEST(counts.values() == std::vector<int>(240, 1), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(shared_memory_is_one_for_a_block_and_new_for_the_next) {
  Buffer<int> out("out", std::vector<int>(2 * 96));
  run({2}, {96}, 0, [&] {
    const Ptr<int> numbers = shared_numbers(96);
    const int own = static_cast<int>(threadIdx.x + 100 * blockIdx.x);
    numbers[threadIdx.x] = own;
    __syncthreads();
    out.ptr()[blockIdx.x * 96 + threadIdx.x] = numbers[95 - threadIdx.x];
  });
  const std::vector<int> values = out.values();
  BOOST_TEST(values[0] == 95);
  BOOST_TEST(values[95] == 0);
  BOOST_TEST(values[96] == 195);
}

BOOST_AUTO_TEST_CASE(dynamic_shared_memory_has_the_size_of_the_launch) {
  Buffer<int> out("out", std::vector<int>(4));
  const auto reverse = [&] {
    Region& region = Block::current().dynamic_shared();
    const Ptr<int> numbers(region, reinterpret_cast<int*>(region.base()));
    numbers[threadIdx.x] = static_cast<int>(threadIdx.x);
    __syncthreads();
    out.ptr()[threadIdx.x] = numbers[3 - threadIdx.x];
  };
  run({1}, {4}, 4 * sizeof(int), reverse);
  BOOST_TEST(out.values() == (std::vector<int>{3, 2, 1, 0}), boost::test_tools::per_element());
  BOOST_CHECK_EXCEPTION(run({1}, {4}, 3 * sizeof(int), reverse), Fault, [](const Fault& fault) {
    return fault.kind() == FaultKind::out_of_bounds;
  });
}

BOOST_AUTO_TEST_CASE(shuffles_move_values_within_their_segment) {
  std::vector<int> idx(32), up(32), down(32), exclusive(32);
  std::vector<std::uint32_t> votes(32);
  run({1}, {32}, 0, [&] {
    const int lane = static_cast<int>(threadIdx.x);
    idx[threadIdx.x] = __shfl_sync(kAll, lane, 3, 8);
    up[threadIdx.x] = __shfl_up_sync(kAll, lane, 2, 16);
    down[threadIdx.x] = __shfl_down_sync(kAll, lane, 1);
    exclusive[threadIdx.x] = __shfl_xor_sync(kAll, lane, 5);
    votes[threadIdx.x] = __ballot_sync(kAll, lane % 3 == 0);
  });
  for (int lane = 0; lane < 32; ++lane) {
    const auto i = static_cast<std::size_t>(lane);
    BOOST_TEST(idx[i] == lane / 8 * 8 + 3);
    BOOST_TEST(up[i] == (lane % 16 < 2 ? lane : lane - 2));
    BOOST_TEST(down[i] == (lane == 31 ? 31 : lane + 1));
    BOOST_TEST(exclusive[i] == (lane ^ 5));
    BOOST_TEST(votes[i] == 0x49249249u);
  }
}

BOOST_AUTO_TEST_CASE(atomic_additions_of_all_blocks_count) {
  Buffer<int> sum("sum", {0});
  run({5}, {64}, 0, [&] { atomicAdd(sum.ptr(), 2); });
  BOOST_TEST(sum.values().front() == 640);
}

BOOST_AUTO_TEST_CASE(an_access_outside_of_its_buffer_is_found) {
  Buffer<int> data("data", {1, 2, 3});
  require_fault(FaultKind::out_of_bounds, {1}, {4},
                [&] { data.ptr()[static_cast<int>(threadIdx.x)] = 0; });
  require_fault(FaultKind::out_of_bounds, {1}, {1}, [&] {
    const int before = data.ptr()[-1];
    BOOST_ERROR("read " << before);
  });
}

BOOST_AUTO_TEST_CASE(a_misaligned_vector_is_found) {
  Buffer<std::uint8_t> data("data", std::vector<std::uint8_t>(32));
  require_fault(FaultKind::misaligned, {1}, {1}, [&] { data.ptr().load<std::uint64_t>(12); });
}

BOOST_AUTO_TEST_CASE(a_missing_barrier_is_a_race) {
  Buffer<int> out("out", std::vector<int>(64));
  require_fault(FaultKind::race, {1}, {64}, [&] {
    const Ptr<int> numbers = shared_numbers(64);
    numbers[threadIdx.x] = 1;
    out.ptr()[threadIdx.x] = numbers[63 - threadIdx.x];
  });
  // The second barrier is what lacks: the next round overwrites what others may still read.
  require_fault(FaultKind::race, {1}, {64}, [&] {
    const Ptr<int> numbers = shared_numbers(64);
    for (int round = 0; round < 2; ++round) {
      numbers[threadIdx.x] = round;
      __syncthreads();
      out.ptr()[threadIdx.x] = numbers[63 - threadIdx.x];
    }
  });
}

BOOST_AUTO_TEST_CASE(a_warp_is_ordered_by_syncwarp_and_not_by_a_shuffle) {
  Buffer<int> out("out", std::vector<int>(32));
  const auto exchange = [&](const std::function<void()>& order) {
    const Ptr<int> numbers = shared_numbers(32);
    numbers[threadIdx.x] = 7;
    order();
    out.ptr()[threadIdx.x] = numbers[31 - threadIdx.x];
  };
  run({1}, {32}, 0, [&] { exchange([] { __syncwarp(); }); });
  BOOST_TEST(out.values() == std::vector<int>(32, 7), boost::test_tools::per_element());
  require_fault(FaultKind::race, {1}, {32}, [&] { exchange([] { __shfl_xor_sync(kAll, 1, 1); }); });
}

BOOST_AUTO_TEST_CASE(two_blocks_that_write_one_place_race) {
  Buffer<int> data("data", {0});
  require_fault(FaultKind::race, {2}, {1}, [&] { data.ptr()[0] = 1; });
}

BOOST_AUTO_TEST_CASE(barriers_that_not_all_threads_reach_are_found) {
  require_fault(FaultKind::divergent_barrier, {1}, {64}, [] {
    if (threadIdx.x < 32)
      __syncthreads();
    else
      __syncthreads();
  });
  require_fault(FaultKind::divergent_barrier, {1}, {64}, [] {
    if (threadIdx.x != 5) __syncthreads();
  });
  require_fault(FaultKind::divergent_barrier, {1}, {32}, [] {
    if (threadIdx.x < 16)
      __syncthreads();
    else
      __syncwarp();
  });
}

BOOST_AUTO_TEST_CASE(masks_that_lanes_do_not_share_are_found) {
  require_fault(FaultKind::warp_mask, {1}, {32},
                [] { __shfl_sync(threadIdx.x < 16 ? kAll : 0xffff0000u, 1, 0); });
  require_fault(FaultKind::warp_mask, {1}, {32}, [] { __shfl_sync(0xffffu, 1, 0); });
  require_fault(FaultKind::warp_mask, {1}, {32}, [] {
    if (threadIdx.x < 16) __shfl_sync(kAll, 1, 0);
  });
  require_fault(FaultKind::warp_mask, {1}, {32}, [] {
    if (threadIdx.x < 16) __shfl_sync(0xffffu, 1, 20);
  });
}

BOOST_AUTO_TEST_SUITE_END()

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <random>

#include "engine/device/cuda/driver/error.hpp"
#include "engine/device/cuda/memory/copy_ring.hpp"
#include "engine/device/cuda/memory/device_arena.hpp"
#include "support/simulated_driver.hpp"

namespace cuda = gpumodel::engine::device::cuda;
namespace memory = gpumodel::engine::memory;
using gpumodel::tests::SimulatedDriver;

namespace {

constexpr std::uint64_t kHandle = 8192;
constexpr std::uint64_t kCapacity = 16 * kHandle;

std::vector<std::byte> pattern(std::size_t bytes) {
  std::vector<std::byte> all(bytes);
  for (std::size_t i = 0; i < bytes; ++i) all[i] = static_cast<std::byte>(i * 7 + i / 251);
  return all;
}

struct Gpu {
  SimulatedDriver driver{{.capacity_bytes = kCapacity}};
  memory::Budget budget{kCapacity};

  void load_and_unload() {
    const cuda::Context context(driver.table(), 0);
    cuda::HandlePool pool(context, budget,
                          {.handle_bytes = kHandle, .most_warm_bytes = 2 * kHandle});
    cuda::CopyRing ring(context, {.slice_bytes = 1000, .slices = 2});
    const cuda::DeviceMeter meter(context, nullptr, "", std::nullopt);
    cuda::DeviceArena arena(pool, "weights", 6 * kHandle);
    arena.grow(4 * kHandle);
    const auto bytes = pattern(3 * kHandle);
    ring.copy(arena.at(kHandle, bytes.size()), bytes, {});
    const cuda::RegisteredMemory registered(context, bytes, true);
    ring.copy(arena.at(0, 100), registered, 5, 100, {});
    arena.shrink(kHandle);
    arena.grow(3 * kHandle);
    arena.export_fds();
    arena.release(meter);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(device_memory)

BOOST_AUTO_TEST_CASE(an_arena_keeps_its_address_over_an_unload_and_gives_all_back) {
  Gpu gpu;
  {
    const cuda::Context context(gpu.driver.table(), 0);
    cuda::HandlePool pool(context, gpu.budget, {.handle_bytes = kHandle});
    const cuda::DeviceMeter meter(context, nullptr, "", std::nullopt);
    cuda::DeviceArena arena(pool, "weights", 4 * kHandle);
    BOOST_TEST(gpu.budget.used_bytes() == 0u);
    const CUdeviceptr address = arena.address();
    arena.grow(3 * kHandle - 1);
    BOOST_TEST(gpu.budget.used_bytes() == 3 * kHandle);
    const cuda::DeviceUnload unload = arena.release(meter);
    BOOST_TEST(unload.measure.freed_bytes == 3 * kHandle);
    BOOST_TEST(unload.measure.residual_bytes == 0u);
    BOOST_TEST(!unload.is_verified);
    BOOST_TEST(gpu.budget.used_bytes() == 0u);
    BOOST_TEST(gpu.driver.used_bytes() == 0u);
    arena.grow(4 * kHandle);
    BOOST_TEST(arena.address() == address);
    BOOST_CHECK_THROW(arena.grow(4 * kHandle + 1), std::length_error);
    BOOST_CHECK_THROW(arena.at(4 * kHandle - 1, 2), std::out_of_range);
    BOOST_CHECK_THROW(arena.at(1, ~std::uint64_t{0}), std::out_of_range);
  }
  BOOST_TEST(gpu.driver.leaks() == "");
  BOOST_TEST(gpu.driver.violations().empty());
}

BOOST_AUTO_TEST_CASE(warm_handles_make_way_for_who_needs_their_bytes) {
  Gpu gpu;
  const cuda::Context context(gpu.driver.table(), 0);
  cuda::HandlePool pool(context, gpu.budget,
                        {.handle_bytes = kHandle, .most_warm_bytes = kCapacity});
  cuda::DeviceArena arena(pool, "kv", kCapacity);
  arena.grow(kCapacity);
  arena.shrink(0);
  BOOST_TEST(pool.warm_bytes() == kCapacity);
  const memory::Reservation workspace = pool.reserve(3 * kHandle, "workspace");
  BOOST_TEST(pool.warm_bytes() == kCapacity - 3 * kHandle);
  BOOST_CHECK_THROW(arena.grow(kCapacity), memory::OutOfMemory);
  BOOST_TEST(arena.mapped_bytes() == 0u);
  BOOST_TEST(pool.warm_bytes() == kCapacity - 3 * kHandle);
}

BOOST_AUTO_TEST_CASE(what_strangers_have_is_out_of_memory_and_work_goes_on) {
  Gpu gpu;
  const cuda::Context context(gpu.driver.table(), 0);
  cuda::HandlePool pool(context, gpu.budget, {.handle_bytes = kHandle});
  cuda::DeviceArena arena(pool, "weights", kCapacity);
  gpu.driver.take_by_stranger(kCapacity - 2 * kHandle);
  BOOST_CHECK_THROW(arena.grow(3 * kHandle), memory::OutOfMemory);
  BOOST_TEST(gpu.budget.used_bytes() == 0u);
  arena.grow(2 * kHandle);
  BOOST_TEST(arena.mapped_bytes() == 2 * kHandle);
}

BOOST_AUTO_TEST_CASE(copies_arrive_byte_by_byte_from_memory_and_files) {
  Gpu gpu;
  const cuda::Context context(gpu.driver.table(), 0);
  cuda::HandlePool pool(context, gpu.budget, {.handle_bytes = kHandle});
  cuda::DeviceArena arena(pool, "weights", 4 * kHandle);
  arena.grow(4 * kHandle);
  cuda::CopyRing ring(context, {.slice_bytes = 777, .slices = 3});
  const auto bytes = pattern(2 * kHandle + 13);
  BOOST_TEST((ring.copy(arena.at(5, bytes.size()), bytes, {}) == cuda::CopyEnd::done));
  BOOST_TEST((gpu.driver.read(arena.address() + 5, bytes.size()) == bytes));

  const gpumodel::os::Fd file(::memfd_create("file", MFD_CLOEXEC));
  const auto written = ::pwrite(file.get(), bytes.data(), bytes.size(), 100);
  BOOST_REQUIRE(written == static_cast<ssize_t>(bytes.size()));
  ring.copy(arena.at(kHandle, bytes.size()), file.get(), 100, bytes.size(), {});
  BOOST_TEST((gpu.driver.read(arena.address() + kHandle, bytes.size()) == bytes));
  BOOST_CHECK_THROW(ring.copy(arena.at(0, kHandle), file.get(), 2 * kHandle, kHandle, {}),
                    std::system_error);
  BOOST_TEST(gpu.driver.violations().empty());
}

BOOST_AUTO_TEST_CASE(a_copy_stops_between_slices) {
  Gpu gpu;
  const cuda::Context context(gpu.driver.table(), 0);
  cuda::HandlePool pool(context, gpu.budget, {.handle_bytes = kHandle});
  cuda::DeviceArena arena(pool, "weights", kHandle);
  arena.grow(kHandle);
  cuda::CopyRing ring(context, {.slice_bytes = 1024, .slices = 2});
  std::stop_source stop;
  std::uint64_t copied_bytes = 0;
  const auto progress = [&](std::uint64_t bytes) {
    copied_bytes = bytes;
    if (bytes >= 3000) stop.request_stop();
  };
  const cuda::CopyEnd end =
      ring.copy(arena.at(0, kHandle), pattern(kHandle), {stop.get_token(), progress});
  BOOST_TEST((end == cuda::CopyEnd::stopped));
  BOOST_TEST(copied_bytes == 3072u);
}

BOOST_AUTO_TEST_CASE(any_error_at_any_call_restores_the_budget) {
  std::size_t calls = 0;
  {
    Gpu gpu;
    gpu.load_and_unload();
    calls = gpu.driver.calls();
    BOOST_TEST(gpu.driver.leaks() == "");
    BOOST_TEST(gpu.driver.violations().empty());
  }
  for (const CUresult code :
       {CUDA_ERROR_OUT_OF_MEMORY, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_ECC_UNCORRECTABLE}) {
    for (std::size_t number = 0; number < calls; ++number) {
      Gpu gpu;
      gpu.driver.fail_call(number, code);
      BOOST_TEST_CONTEXT("call " << number << " answers " << code) {
        try {
          gpu.load_and_unload();
        } catch (const memory::OutOfMemory&) {
          BOOST_TEST((code == CUDA_ERROR_OUT_OF_MEMORY));
        } catch (const cuda::CudaError& error) {
          BOOST_TEST((error.code() == code));
        }
        BOOST_TEST(gpu.budget.used_bytes() == 0u);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(arenas_grow_and_shrink_at_random_within_the_budget) {
  Gpu gpu;
  std::mt19937 random(7);
  {
    const cuda::Context context(gpu.driver.table(), 0);
    cuda::HandlePool pool(context, gpu.budget,
                          {.handle_bytes = kHandle, .most_warm_bytes = 3 * kHandle});
    const cuda::DeviceMeter meter(context, nullptr, "", std::nullopt);
    std::vector<cuda::DeviceArena> arenas;
    for (int i = 0; i < 3; ++i) arenas.emplace_back(pool, "arena", 10 * kHandle);
    for (int step = 0; step < 5000; ++step) {
      cuda::DeviceArena& arena = arenas[random() % arenas.size()];
      const std::uint64_t bytes = random() % (10 * kHandle + 1);
      const std::uint64_t had_bytes = arena.mapped_bytes();
      switch (random() % 4) {
        case 0:
        case 1:
          try {
            arena.grow(bytes);
          } catch (const memory::OutOfMemory&) {
            BOOST_TEST(arena.mapped_bytes() == had_bytes);
          }
          break;
        case 2:
          arena.shrink(bytes);
          break;
        default:
          BOOST_TEST(arena.release(meter).measure.residual_bytes == 0u);
      }
      std::uint64_t held_bytes = pool.warm_bytes();
      for (const cuda::DeviceArena& each : arenas) held_bytes += each.mapped_bytes();
      BOOST_REQUIRE(held_bytes == gpu.budget.used_bytes());
      BOOST_REQUIRE(held_bytes == gpu.driver.used_bytes());
    }
  }
  BOOST_TEST(gpu.driver.leaks() == "");
  BOOST_TEST(gpu.driver.violations().empty());
  BOOST_TEST(gpu.budget.used_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(without_a_driver_there_is_a_reason) {
  const auto opened = cuda::open_driver("libno-such-driver.so.1");
  BOOST_REQUIRE(std::holds_alternative<cuda::NoDriver>(opened));
  BOOST_TEST(!std::get<cuda::NoDriver>(opened).why.empty());
}

BOOST_AUTO_TEST_SUITE_END()

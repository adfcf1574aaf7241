#include "engine/memory/arena.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "engine/memory/process.hpp"

namespace memory = gpumodel::engine::memory;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// Resident bytes of the mapping that begins at `address`, by the kernel's other account of it.
std::optional<std::uint64_t> smaps_resident(const void* address) {
  std::ostringstream start;
  start << std::hex << reinterpret_cast<std::uintptr_t>(address) << "-";
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    if (line.compare(0, start.str().size(), start.str()) == 0) inside = true;
    unsigned long long kib = 0;
    if (inside && std::sscanf(line.c_str(), "Rss: %llu kB", &kib) == 1) return kib * 1024;
  }
  return std::nullopt;
}

bool is_mapped(const std::byte* address, std::uint64_t bytes) {
  return ::msync(const_cast<std::byte*>(address), bytes, MS_ASYNC) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(arena)

BOOST_AUTO_TEST_CASE(pages_are_counted_as_they_are_touched) {
  memory::Budget budget(10 * kMiB);
  const memory::Arena arena(budget, "test", kMiB);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  BOOST_TEST(arena.bytes() == kMiB);
  BOOST_TEST(budget.used_bytes() == kMiB);
  BOOST_TEST(arena.resident_bytes() == 0u);
  arena.data()[0] = std::byte{1};
  arena.data()[kMiB - 1] = std::byte{1};
  BOOST_TEST(arena.resident_bytes() == 2 * page);
  arena.populate(0, kMiB);
  std::memset(arena.data(), 1, kMiB);
  BOOST_TEST(arena.resident_bytes() == kMiB);
  BOOST_TEST(smaps_resident(arena.data()).value_or(0) == kMiB);
}

BOOST_AUTO_TEST_CASE(a_release_is_measured_and_keeps_the_addresses) {
  memory::Budget budget(100 * kMiB);
  const std::byte* data = nullptr;
  {
    memory::Arena arena(budget, "weights", 33 * kMiB + 5);
    data = arena.data();
    std::memset(arena.data(), 1, arena.bytes());
    const memory::UnloadMeasure measure = arena.release();
    BOOST_TEST(measure.expected_bytes == arena.bytes());
    BOOST_TEST(measure.freed_bytes == arena.bytes());
    BOOST_TEST(measure.residual_bytes == 0u);
    BOOST_TEST(arena.released());
    BOOST_TEST(budget.used_bytes() == 0u);
    BOOST_TEST(arena.data() == data);
    BOOST_TEST(arena.resident_bytes() == 0u);

    // Nothing else can be put where the views still point.
    void* intruder = ::mmap(arena.data(), kMiB, PROT_READ,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    BOOST_TEST(intruder == MAP_FAILED);

    const memory::UnloadMeasure again = arena.release();
    BOOST_TEST(again.expected_bytes == 0u);
    BOOST_TEST(again.residual_bytes == 0u);
  }
  BOOST_TEST(!is_mapped(data, static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))));
}

BOOST_AUTO_TEST_CASE(the_process_shrinks_by_what_was_released) {
  memory::Budget budget(100 * kMiB);
  memory::Arena arena(budget, "weights", 64 * kMiB);
  const std::uint64_t before = memory::process_resident_bytes();
  std::memset(arena.data(), 1, arena.bytes());
  const std::uint64_t loaded = memory::process_resident_bytes();
  BOOST_TEST(loaded >= before + 60 * kMiB);
  arena.release();
  memory::trim_heap();
  BOOST_TEST(memory::process_resident_bytes() <= before + 4 * kMiB);
}

BOOST_AUTO_TEST_CASE(huge_arenas_are_aligned_for_huge_pages) {
  memory::Budget budget(100 * kMiB);
  const memory::Arena arena(budget, "weights", 9 * kMiB);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(arena.data()) % (2 * kMiB) == 0u);
}

BOOST_AUTO_TEST_CASE(moves_keep_the_address) {
  memory::Budget budget(10 * kMiB);
  memory::Arena arena(budget, "test", kMiB);
  std::byte* data = arena.data();
  data[5] = std::byte{7};
  memory::Arena moved = std::move(arena);
  BOOST_TEST(moved.data() == data);
  BOOST_TEST((data[5] == std::byte{7}));
  BOOST_TEST(budget.used_bytes() == kMiB);
  moved = memory::Arena();
  BOOST_TEST(budget.used_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(over_budget_maps_nothing) {
  memory::Budget budget(kMiB);
  BOOST_CHECK_THROW(memory::Arena(budget, "weights", kMiB + 1), memory::OutOfMemory);
  BOOST_TEST(budget.used_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(what_the_system_refuses_is_out_of_memory_too) {
  constexpr std::uint64_t kMoreThanAnyAddressSpace = std::uint64_t{1} << 60;
  memory::Budget budget(2 * kMoreThanAnyAddressSpace);
  BOOST_CHECK_THROW(memory::Arena(budget, "weights", kMoreThanAnyAddressSpace),
                    memory::OutOfMemory);
  BOOST_TEST(budget.used_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(an_empty_arena_is_allowed) {
  memory::Budget budget(0);
  memory::Arena arena(budget, "empty", 0);
  BOOST_TEST(arena.resident_bytes() == 0u);
  BOOST_TEST(arena.release().expected_bytes == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

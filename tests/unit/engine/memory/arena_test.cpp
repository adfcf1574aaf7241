#include "engine/memory/arena.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

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

gpumodel::os::Fd make_image(std::uint64_t bytes) {
  gpumodel::os::Fd fd(::memfd_create("image", MFD_CLOEXEC));
  BOOST_REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
  return fd;
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

BOOST_AUTO_TEST_CASE(an_image_is_shared_and_stays_when_it_is_released) {
  constexpr std::uint64_t kBytes = 5 * kMiB + 4096;  // huge pages, and small ones after them
  memory::Budget budget(100 * kMiB);
  const gpumodel::os::Fd fd = make_image(kBytes);
  memory::Arena writer(budget, "writer", kBytes, fd, memory::Arena::Access::read_write);
  BOOST_TEST(budget.used_bytes() == kBytes);
  writer.populate(0, kBytes);
  BOOST_TEST(writer.resident_bytes() == kBytes);
  BOOST_TEST(smaps_resident(writer.data()).value_or(0) == kBytes);
  std::memset(writer.data(), 7, kBytes);

  memory::Arena reader(budget, "reader", kBytes, fd, memory::Arena::Access::read_only);
  BOOST_TEST(reader.resident_bytes() == 0u);  // though every page of the file is in memory
  reader.populate(0, kBytes);
  BOOST_TEST(reader.resident_bytes() == kBytes);
  BOOST_TEST((reader.data()[kBytes - 1] == std::byte{7}));

  const memory::UnloadMeasure measure = writer.release();
  BOOST_TEST(measure.expected_bytes == kBytes);
  BOOST_TEST(measure.freed_bytes == kBytes);
  BOOST_TEST(measure.residual_bytes == 0u);
  BOOST_TEST((reader.data()[0] == std::byte{7}));
  BOOST_TEST(budget.used_bytes() == kBytes);
}

BOOST_AUTO_TEST_CASE(what_is_read_only_cannot_be_written) {
  memory::Budget budget(100 * kMiB);
  const gpumodel::os::Fd fd = make_image(kMiB);
  memory::Arena arena(budget, "image", kMiB, fd, memory::Arena::Access::read_write);
  const auto kernel_can_write = [&] { return ::pread(fd.get(), arena.data(), 1, 0) == 1; };
  BOOST_TEST(kernel_can_write());
  arena.make_read_only();
  BOOST_TEST(!kernel_can_write());
  memory::Arena mapped(budget, "image", kMiB, fd, memory::Arena::Access::read_only);
  BOOST_TEST(::pread(fd.get(), mapped.data(), 1, 0) == -1);
}

BOOST_AUTO_TEST_CASE(an_image_that_cannot_be_mapped_is_an_error_and_reserves_nothing) {
  memory::Budget budget(100 * kMiB);
  const gpumodel::os::Fd unreadable(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  BOOST_CHECK_THROW(
      memory::Arena(budget, "image", kMiB, unreadable, memory::Arena::Access::read_only),
      std::system_error);
  BOOST_TEST(budget.used_bytes() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

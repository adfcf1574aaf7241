// One contiguous range of memory for one purpose (a model's weights, its KV), measured by the
// kernel.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/memory/budget.hpp"
#include "os/fd.hpp"

namespace gpumodel::engine::memory {

// What a release did, as the kernel reports the arena's own address range before and after.
struct UnloadMeasure {
  std::uint64_t expected_bytes = 0;  // resident before
  std::uint64_t freed_bytes = 0;     // expected - residual
  std::uint64_t residual_bytes = 0;  // resident after
  std::chrono::microseconds took{0};
};

// A mapping with a guard page on either side: anonymous and zero until written, or shared with a
// host image; huge pages are asked for from 4 MiB on. The address range belongs to the arena from
// construction to destruction, released or not, so that nothing else can appear in it and views
// never point at another's bytes. Not copied; moving keeps the address. One thread at a time, but
// for the bytes themselves.
class Arena {
 public:
  // `bytes` is rounded up to whole pages, counted against `budget`, which must outlive the arena.
  // `name` shows in /proc/PID/maps where the kernel can; letters, digits, '-', '_' and '.' of it.
  // Throws OutOfMemory where the budget, or the system's address space or commit limit, refuses.
  Arena(Budget& budget, const std::string& name, std::uint64_t bytes);
  // The same over the first `bytes` of `image`, a memfd at least that long, which may be closed
  // afterwards: whoever else maps it sees the same memory. Throws std::system_error where it cannot
  // be mapped so.
  enum class Access { read_write, read_only };
  Arena(Budget& budget, const std::string& name, std::uint64_t bytes, const os::Fd& image,
        Access access);
  Arena() noexcept = default;
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  ~Arena();

  std::byte* data() const {
    return data_;
  }  // aligned to a page, to 2 MiB with huge pages; null if empty
  std::uint64_t bytes() const { return bytes_; }
  bool released() const { return released_; }

  // Makes pages of [offset, offset + length) present, for writing where the arena is writable, at
  // once instead of fault by fault. Only advice: from a kernel without it, pages come when they are
  // touched. Safe from several threads.
  void populate(std::uint64_t offset, std::uint64_t length) const noexcept;

  // From here on whoever writes into it is at fault, literally. Throws std::system_error.
  void make_read_only();

  // Bytes of the range that this process has mapped to physical memory now.
  std::uint64_t resident_bytes() const;

  // Replaces the memory by an inaccessible reservation of the same addresses, so that what the
  // second measurement finds there can only be what was not freed, and gives the bytes back to the
  // budget. All views are dead. A second call measures nothing and returns zeros.
  UnloadMeasure release();

 private:
  void map(Budget& budget, const std::string& name, int image);
  void collapse_blocks(std::uint64_t begin, std::uint64_t end) const noexcept;
  void destroy() noexcept;

  Reservation reservation_;
  std::byte* mapping_ = nullptr;  // with the guard pages
  std::uint64_t mapping_bytes_ = 0;
  std::byte* data_ = nullptr;
  std::uint64_t bytes_ = 0;
  bool is_image_ = false;
  bool is_writable_ = true;
  bool released_ = false;
};

std::uint64_t round_to_pages(std::uint64_t bytes);

}  // namespace gpumodel::engine::memory

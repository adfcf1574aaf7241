#include "engine/memory/residency.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "os/fd.hpp"

namespace gpumodel::engine::memory {
namespace {

constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::size_t kEntriesAtOnce = 1 << 15;

[[noreturn]] void throw_errno() {
  throw std::system_error(errno, std::generic_category(), "/proc/self/pagemap");
}

}  // namespace

std::uint64_t mapped_resident_bytes(const std::byte* begin, std::uint64_t bytes) {
  const os::Fd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap) throw_errno();
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::uint64_t entry = reinterpret_cast<std::uintptr_t>(begin) / page_bytes;
  const std::uint64_t end = entry + (bytes + page_bytes - 1) / page_bytes;
  std::vector<std::uint64_t> entries(std::min<std::uint64_t>(kEntriesAtOnce, end - entry));
  std::uint64_t pages = 0;
  while (entry < end) {
    const std::size_t wanted = std::min<std::uint64_t>(entries.size(), end - entry);
    const ssize_t size = ::pread(pagemap.get(), entries.data(), wanted * sizeof entries[0],
                                 static_cast<off_t>(entry * sizeof entries[0]));
    if (size < 0 && errno == EINTR) continue;
    if (size < static_cast<ssize_t>(sizeof entries[0])) throw_errno();
    const std::size_t got = static_cast<std::size_t>(size) / sizeof entries[0];
    pages += static_cast<std::uint64_t>(
        std::count_if(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(got),
                      [](std::uint64_t page) { return (page & kPresent) != 0; }));
    entry += got;
  }
  return pages * page_bytes;
}

}  // namespace gpumodel::engine::memory

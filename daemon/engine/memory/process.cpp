#include "engine/memory/process.hpp"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

namespace gpumodel::engine::memory {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

}  // namespace

std::uint64_t process_resident_bytes() {
  if (const File rollup(std::fopen("/proc/self/smaps_rollup", "re"), std::fclose); rollup) {
    char line[256];
    unsigned long long kib = 0;
    while (std::fgets(line, sizeof line, rollup.get()) != nullptr) {
      if (std::sscanf(line, "Rss: %llu kB", &kib) == 1) return std::uint64_t{kib} * 1024;
    }
  }
  if (const File statm(std::fopen("/proc/self/statm", "re"), std::fclose); statm) {
    unsigned long long size = 0;
    unsigned long long resident = 0;
    if (std::fscanf(statm.get(), "%llu %llu", &size, &resident) == 2) {
      return std::uint64_t{resident} * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    }
  }
  return 0;
}

void trim_heap() noexcept { ::malloc_trim(0); }

}  // namespace gpumodel::engine::memory

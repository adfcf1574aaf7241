// Which pages of this process are in physical memory, by the kernel's account of the process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpumodel::engine::memory {

// Bytes of [begin, begin + bytes) that this process has mapped to physical memory now, by
// /proc/self/pagemap: of a shared mapping what is mapped here, not what others hold of the file, as
// mincore(2) would say. `begin` is aligned to a page. Throws std::system_error.
std::uint64_t mapped_resident_bytes(const std::byte* begin, std::uint64_t bytes);

}  // namespace gpumodel::engine::memory

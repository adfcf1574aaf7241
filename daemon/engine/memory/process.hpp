// The memory of this process as a whole.
#pragma once

#include <cstdint>

namespace gpumodel::engine::memory {

// Resident set, in bytes, as /proc/self/smaps_rollup counts it page by page; the cheaper statm is
// used where that cannot be read, and may lag by some pages per core.
std::uint64_t process_resident_bytes();

// Gives the heap's free pages back to the system; call after an unload. Takes milliseconds.
void trim_heap() noexcept;

}  // namespace gpumodel::engine::memory

// The memory of the machine, and who holds it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpumodel::engine::memory {

struct MemoryHolder {
  std::int64_t pid = 0;
  std::uint32_t uid = 0;  // effective
  std::string command;    // the process's name, as it stands in its status: any bytes but line ends
  std::uint64_t resident_bytes = 0;
};

struct MachineMemory {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;  // what can be had without swapping, by the kernel's estimate
  // Resident in our processes that would not come back by itself: anonymous and shared memory.
  std::uint64_t ours_bytes = 0;
  std::vector<MemoryHolder> holders;  // other processes; those with most first

  // What of a capacity is neither available nor ours.
  std::uint64_t foreign_bytes(std::uint64_t capacity_bytes) const;
};

// Reads the folder `proc`, which is /proc but for tests: meminfo, and the status of every process.
// `ours` are pids; at most `most_holders` of the others are listed. A process that ends meanwhile
// is left out, as is one that may not be seen. Throws std::system_error where meminfo cannot be
// read or lacks what is needed (before Linux 3.14).
MachineMemory read_machine_memory(const std::string& proc, const std::vector<std::int64_t>& ours,
                                  std::size_t most_holders);

}  // namespace gpumodel::engine::memory

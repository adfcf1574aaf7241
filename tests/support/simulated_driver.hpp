// A GPU of host memory behind the driver's table: it has so many bytes, fails where it is told to,
// copies only when somebody waits, and keeps account of what its caller did wrong.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/device/cuda/driver/driver.hpp"

namespace gpumodel::tests {

// The table's functions have no argument for an object, so one at a time lives in a process.
class SimulatedDriver {
 public:
  struct Options {
    std::uint64_t capacity_bytes = std::uint64_t{1} << 20;
    std::uint64_t granularity_bytes = 4096;
    std::uint64_t address_bytes = std::uint64_t{1} << 30;
  };
  explicit SimulatedDriver(const Options& options);
  ~SimulatedDriver();
  SimulatedDriver(const SimulatedDriver&) = delete;
  SimulatedDriver& operator=(const SimulatedDriver&) = delete;

  const engine::device::cuda::Driver& table() const { return table_; }

  // The call of this number, counted from 0 over all functions, answers `code` and does nothing.
  void fail_call(std::size_t number, CUresult code);
  std::size_t calls() const { return calls_; }

  std::uint64_t used_bytes() const { return used_bytes_; }
  void take_by_stranger(std::uint64_t bytes) { used_bytes_ += bytes; }
  std::vector<std::byte> read(CUdeviceptr address, std::uint64_t bytes);

  // What the caller did that no caller may.
  const std::vector<std::string>& violations() const { return violations_; }
  // What it has not given back: counts by kind, empty if nothing.
  std::string leaks() const;

 private:
  friend struct SimulatedCalls;

  struct Mapping {
    std::uint64_t bytes = 0;
    CUmemGenericAllocationHandle handle = 0;
    bool is_accessible = false;
  };
  struct Memory {
    std::vector<std::byte> bytes;
    int mapped = 0;
    bool is_released = false;
  };
  struct Copy {
    CUdeviceptr target = 0;
    const std::byte* source = nullptr;
    std::uint64_t bytes = 0;
  };

  std::optional<CUresult> enter();
  CUresult wrong(const std::string& what);
  std::byte* at(CUdeviceptr address);
  bool is_accessible(CUdeviceptr address, std::uint64_t bytes) const;
  void run_copies(std::size_t until);
  void collect(CUmemGenericAllocationHandle handle);

  Options options_;
  engine::device::cuda::Driver table_;
  std::size_t calls_ = 0;
  std::optional<std::pair<std::size_t, CUresult>> failure_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t next_ = 1;
  int contexts_ = 0;
  bool is_current_ = false;
  std::map<CUdeviceptr, std::uint64_t> reservations_;
  CUdeviceptr next_address_ = CUdeviceptr{1} << 40;
  std::map<CUdeviceptr, Mapping> mappings_;
  std::map<CUmemGenericAllocationHandle, Memory> memories_;
  std::map<void*, std::vector<std::byte>> pinned_;
  std::map<void*, std::uint64_t> registered_;
  std::map<std::uint64_t, int> streams_;
  std::map<std::uint64_t, std::size_t> events_;  // how many copies were before the mark
  std::deque<Copy> copies_;                      // not done yet
  std::size_t done_copies_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace gpumodel::tests

// One block of a launch: its threads are fibers of the calling thread, each of which runs until it
// waits for others. Orders that a GPU may take are not tried out; that the order does not matter is
// what the race check of memory.hpp shows.
#pragma once

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <source_location>
#include <vector>

#include "support/simt/memory.hpp"

namespace gpumodel::test::simt {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

inline constexpr unsigned kWarpLanes = 32;

enum class WarpCall { sync, shuffle, ballot };

// Values that the lanes of a warp operation brought, by lane.
using WarpValues = std::array<std::uint64_t, kWarpLanes>;

class Block {
 public:
  struct Place {
    std::uint64_t launch = 0;
    Dim3 grid, block, index;
    std::size_t dynamic_shared_bytes = 0;
  };

  // `stacks` holds kStackBytes for every thread.
  static constexpr std::size_t kStackBytes = 128 * 1024;
  Block(const Place& place, const std::function<void()>& kernel, std::byte* stacks);

  // Throws the Fault, or whatever else a thread threw; the others are then left where they are.
  void run();

  // The rest is for the kernel's own threads.

  static Block& current();
  static bool is_running();

  Access here() const;  // as the thread that runs now
  unsigned lane() const { return running_ % kWarpLanes; }

  void sync_block(const std::source_location& where);
  // Waits for all lanes of `mask`, which must bring the same call and mask.
  const WarpValues& sync_warp(WarpCall call, std::uint32_t mask, std::uint64_t value);

  // The same memory for every thread that names the same `declaration`.
  Region& shared(const void* declaration, const char* name, std::size_t bytes);
  Region& dynamic_shared() { return *dynamic_; }

 private:
  enum class State { ready, at_barrier, at_warp_call, done };

  struct Thread {
    ucontext_t context;
    State state = State::ready;
    std::source_location barrier;
    WarpCall call = WarpCall::sync;
    std::uint32_t mask = 0;
    std::uint64_t value = 0;
    WarpValues seen{};
  };

  static void enter();
  void wait(State state);
  void resume(unsigned thread);
  bool release_warps();
  bool release_warp_call(unsigned first, unsigned lane);
  bool release_barrier();
  [[noreturn]] void report_deadlock() const;

  Place place_;
  const std::function<void()>& kernel_;
  ucontext_t scheduler_;
  std::vector<Thread> threads_;
  std::vector<std::uint32_t> warp_epochs_;
  std::uint32_t block_epoch_ = 0;
  unsigned running_ = 0;
  std::exception_ptr failure_;
  std::map<const void*, std::unique_ptr<Memory>> shared_;
  std::unique_ptr<Memory> dynamic_memory_;
  Region* dynamic_ = nullptr;
};

// Runs `kernel` once for every thread of every block, the blocks one after another.
void run(Dim3 grid, Dim3 block, std::size_t dynamic_shared_bytes,
         const std::function<void()>& kernel);

}  // namespace gpumodel::test::simt

#include "support/simt/block.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace gpumodel::test::simt {
namespace {

// What the built-in variables and functions of cuda.hpp speak to, as on a GPU without being passed.
thread_local Block* current_block = nullptr;

unsigned count_of(const Dim3& dim) { return dim.x * dim.y * dim.z; }

unsigned linear(const Dim3& index, const Dim3& extent) {
  return (index.z * extent.y + index.y) * extent.x + index.x;
}

Dim3 nth(unsigned number, const Dim3& extent) {
  return {number % extent.x, number / extent.x % extent.y, number / (extent.x * extent.y)};
}

std::string place_of(const std::source_location& where) {
  return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

}  // namespace
}  // namespace gpumodel::test::simt

gpumodel::test::simt::Dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace gpumodel::test::simt {

Block::Block(const Place& place, const std::function<void()>& kernel, std::byte* stacks)
    : place_(place),
      kernel_(kernel),
      threads_(count_of(place.block)),
      warp_epochs_((threads_.size() + kWarpLanes - 1) / kWarpLanes),
      dynamic_memory_(
          std::make_unique<Memory>("dynamic shared memory", place.dynamic_shared_bytes)),
      dynamic_(&dynamic_memory_->region()) {
  for (Thread& thread : threads_) {
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = stacks;
    thread.context.uc_stack.ss_size = kStackBytes;
    thread.context.uc_link = &scheduler_;
    makecontext(&thread.context, &Block::enter, 0);
    stacks += kStackBytes;
  }
}

Block& Block::current() { return *current_block; }
bool Block::is_running() { return current_block != nullptr; }

void Block::enter() {
  Block& block = current();
  try {
    block.kernel_();
  } catch (...) {
    block.failure_ = std::current_exception();
  }
  block.threads_[block.running_].state = State::done;
}

void Block::resume(unsigned thread) {
  running_ = thread;
  threadIdx = nth(thread, place_.block);
  swapcontext(&scheduler_, &threads_[thread].context);
}

void Block::run() {
  struct Running {
    explicit Running(Block* block) { current_block = block; }
    ~Running() { current_block = nullptr; }
  } running(this);
  blockIdx = place_.index;
  blockDim = place_.block;
  gridDim = place_.grid;
  const auto is_done = [](const Thread& thread) { return thread.state == State::done; };
  while (!std::all_of(threads_.begin(), threads_.end(), is_done)) {
    bool runs = false;
    for (unsigned thread = 0; thread < threads_.size(); ++thread) {
      if (threads_[thread].state != State::ready) continue;
      runs = true;
      resume(thread);
      if (failure_) std::rethrow_exception(failure_);
    }
    const bool released = release_warps();
    if (!released && !release_barrier() && !runs) report_deadlock();
  }
}

Access Block::here() const {
  return {place_.launch, linear(place_.index, place_.grid), running_, block_epoch_,
          warp_epochs_[running_ / kWarpLanes]};
}

void Block::wait(State state) {
  threads_[running_].state = state;
  swapcontext(&threads_[running_].context, &scheduler_);
}

void Block::sync_block(const std::source_location& where) {
  threads_[running_].barrier = where;
  wait(State::at_barrier);
}

const WarpValues& Block::sync_warp(WarpCall call, std::uint32_t mask, std::uint64_t value) {
  if ((mask >> lane() & 1) == 0)
    throw Fault(FaultKind::warp_mask,
                "lane " + std::to_string(lane()) + " calls with a mask without it");
  Thread& thread = threads_[running_];
  thread.call = call;
  thread.mask = mask;
  thread.value = value;
  wait(State::at_warp_call);
  return thread.seen;
}

bool Block::release_warps() {
  bool released = false;
  for (unsigned first = 0; first < threads_.size(); first += kWarpLanes)
    for (unsigned lane = 0; lane < kWarpLanes && first + lane < threads_.size(); ++lane)
      if (threads_[first + lane].state == State::at_warp_call)
        released = release_warp_call(first, lane) || released;
  return released;
}

// Of what the lane of the warp from `first` on waits in.
bool Block::release_warp_call(unsigned first, unsigned lane) {
  const Thread& own = threads_[first + lane];
  const std::uint32_t mask = own.mask;
  WarpValues values{};
  for (unsigned other = 0; other < kWarpLanes; ++other) {
    if ((mask >> other & 1) == 0) continue;
    const bool exists = first + other < threads_.size();
    if (!exists || threads_[first + other].state == State::done)
      throw Fault(FaultKind::warp_mask, "lane " + std::to_string(lane) + " waits for lane " +
                                            std::to_string(other) + ", which is not there");
    const Thread& peer = threads_[first + other];
    if (peer.state != State::at_warp_call) return false;
    if (peer.mask != mask || peer.call != own.call) {
      if ((peer.mask >> lane & 1) == 0) return false;  // it may come yet
      throw Fault(FaultKind::warp_mask, "lanes " + std::to_string(lane) + " and " +
                                            std::to_string(other) +
                                            " wait for each other with different masks or calls");
    }
    values[other] = peer.value;
  }
  if (own.call == WarpCall::sync && mask == ~std::uint32_t{0}) ++warp_epochs_[first / kWarpLanes];
  for (unsigned other = 0; other < kWarpLanes; ++other)
    if (mask >> other & 1) {
      threads_[first + other].seen = values;
      threads_[first + other].state = State::ready;
    }
  return true;
}

bool Block::release_barrier() {
  const Thread* waiting = nullptr;
  for (const Thread& thread : threads_) {
    if (thread.state == State::done) continue;
    if (thread.state != State::at_barrier) return false;
    if (waiting && (thread.barrier.line() != waiting->barrier.line() ||
                    std::string_view(thread.barrier.file_name()) != waiting->barrier.file_name()))
      throw Fault(FaultKind::divergent_barrier, "threads of one block wait at " +
                                                    place_of(waiting->barrier) + " and at " +
                                                    place_of(thread.barrier));
    waiting = &thread;
  }
  if (!waiting) return false;
  const auto is_done = [](const Thread& thread) { return thread.state == State::done; };
  if (std::any_of(threads_.begin(), threads_.end(), is_done))
    throw Fault(FaultKind::divergent_barrier,
                "a thread left before the barrier at " + place_of(waiting->barrier));
  ++block_epoch_;
  for (Thread& thread : threads_) thread.state = State::ready;
  return true;
}

void Block::report_deadlock() const {
  const auto at_barrier = std::find_if(threads_.begin(), threads_.end(), [](const Thread& thread) {
    return thread.state == State::at_barrier;
  });
  throw Fault(FaultKind::divergent_barrier,
              at_barrier == threads_.end()
                  ? "the lanes of a warp wait for each other for ever"
                  : "threads wait for ever, some at " + place_of(at_barrier->barrier));
}

Region& Block::shared(const void* declaration, const char* name, std::size_t bytes) {
  std::unique_ptr<Memory>& memory = shared_[declaration];
  if (!memory) memory = std::make_unique<Memory>(name, bytes);
  return memory->region();
}

void run(Dim3 grid, Dim3 block, std::size_t dynamic_shared_bytes,
         const std::function<void()>& kernel) {
  static thread_local std::uint64_t launches = 0;
  const std::uint64_t launch = ++launches;
  const auto stacks =
      std::make_unique_for_overwrite<std::byte[]>(count_of(block) * Block::kStackBytes);
  for (unsigned number = 0; number < count_of(grid); ++number)
    Block({launch, grid, block, nth(number, grid), dynamic_shared_bytes}, kernel, stacks.get())
        .run();
}

}  // namespace gpumodel::test::simt

// A team of threads for loops of microseconds: fork and join cost about one, and nobody burns a
// core for longer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace gpumodel::engine::device::cpu {

// Workers look for work for about 50 us after their last, then sleep on a futex until the next. One
// thread at a time may call run.
class ThreadTeam {
 public:
  // `threads` of at least 1 counts the caller of run.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(index, thread) once for every index below count (below 2^31), on whichever of the
  // team's threads (0 .. threads() - 1; the caller is 0) is free, and returns when all are done.
  // body must not throw.
  template <class Body>
  void run(std::int64_t count, const Body& body) {
    if (count <= 1 || workers_.empty()) {
      for (std::int64_t index = 0; index < count; ++index) body(index, 0);
      return;
    }
    run_erased(
        count,
        [](const void* context, std::int64_t index, int thread) {
          (*static_cast<const Body*>(context))(index, thread);
        },
        &body);
  }

 private:
  using Call = void (*)(const void* context, std::int64_t index, int thread);

  void run_erased(std::int64_t count, Call call, const void* context);
  void work(int thread);
  void take_all(std::uint32_t job, int thread);

  // The job's number and its next index in one word: an index is claimed only of the job that was
  // seen, so a worker that comes late takes nothing, and nobody waits for it.
  alignas(64) std::atomic<std::uint64_t> claim_{0};
  alignas(64) std::atomic<int> job_{0};        // what sleeping workers wait on
  alignas(64) std::atomic<int> remaining_{0};  // indices not finished yet; what the caller waits on
  std::atomic<std::int64_t> count_{0};
  std::atomic<Call> call_{nullptr};
  std::atomic<const void*> context_{nullptr};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace gpumodel::engine::device::cpu

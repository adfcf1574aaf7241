#include "engine/device/cpu/thread_team.hpp"

#include <immintrin.h>

#include <chrono>

namespace gpumodel::engine::device::cpu {
namespace {

constexpr std::chrono::microseconds kSpin{50};
constexpr int kPausesPerClock = 16;  // a look at the clock costs as much as a few pauses

template <class Done>
bool spin_until(const Done& done) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int pause = 0; pause < kPausesPerClock; ++pause) {
      if (done()) return true;
      _mm_pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

constexpr std::uint64_t first_claim(std::uint32_t job) { return std::uint64_t{job} << 32; }

}  // namespace

ThreadTeam::ThreadTeam(int threads) {
  for (int thread = 1; thread < threads; ++thread)
    workers_.emplace_back([this, thread] { work(thread); });
}

ThreadTeam::~ThreadTeam() {
  stop_ = true;
  job_.fetch_add(1);
  job_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadTeam::run_erased(std::int64_t count, Call call, const void* context) {
  const auto job = static_cast<std::uint32_t>(job_.load(std::memory_order_relaxed)) + 1;
  // A late worker may read these while they change; its claim then fails, for claim_ has changed
  // first.
  claim_.store(first_claim(job) | 0xffffffffu);
  count_.store(count);
  call_.store(call);
  context_.store(context);
  remaining_.store(static_cast<int>(count));
  claim_.store(first_claim(job));
  job_.store(static_cast<int>(job));
  job_.notify_all();

  take_all(job, 0);
  const auto finished = [this] { return remaining_.load(std::memory_order_acquire) == 0; };
  if (spin_until(finished)) return;
  for (int left = remaining_.load(); left != 0; left = remaining_.load()) remaining_.wait(left);
}

void ThreadTeam::take_all(std::uint32_t job, int thread) {
  std::uint64_t claim = claim_.load();
  for (;;) {
    const auto index = static_cast<std::int64_t>(claim & 0xffffffffu);
    if (claim >> 32 != job || index >= count_.load()) return;
    const Call call = call_.load();
    const void* context = context_.load();
    if (!claim_.compare_exchange_weak(claim, claim + 1)) continue;
    call(context, index, thread);
    if (remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1 && thread != 0)
      remaining_.notify_one();
    claim = claim_.load();
  }
}

void ThreadTeam::work(int thread) {
  int seen = 0;
  while (!stop_) {
    const auto changed = [this, seen] { return job_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(changed)) job_.wait(seen);
    seen = job_.load();
    take_all(static_cast<std::uint32_t>(seen), thread);
  }
}

}  // namespace gpumodel::engine::device::cpu

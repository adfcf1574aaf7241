#include "engine/server/worker_pool.hpp"

#include <algorithm>

namespace gpumodel::engine::server {

WorkerPool::WorkerPool(unsigned threads) {
  const unsigned count = std::max(threads, 2u);
  most_lengthy_ = count - 1;
  threads_.reserve(count);
  for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::stop() {
  std::deque<std::function<void()>> dropped[2];
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped[0].swap(brief_);
    dropped[1].swap(lengthy_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

void WorkerPool::submit(Length length, std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    (length == Length::brief ? brief_ : lengthy_).push_back(std::move(job));
  }
  changed_.notify_one();
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto may_run_lengthy = [&] {
      return !lengthy_.empty() && running_lengthy_ < most_lengthy_;
    };
    changed_.wait(lock, [&] { return stopping_ || !brief_.empty() || may_run_lengthy(); });
    if (stopping_) return;
    const bool is_brief = !brief_.empty();
    auto& queue = is_brief ? brief_ : lengthy_;
    std::function<void()> job = std::move(queue.front());
    queue.pop_front();
    if (!is_brief) ++running_lengthy_;
    lock.unlock();
    job();
    job = nullptr;  // what it holds goes before the thread waits again
    lock.lock();
    if (is_brief) continue;
    --running_lengthy_;
    changed_.notify_one();
  }
}

}  // namespace gpumodel::engine::server

// Threads for what takes time and is not a decoder step: reading, loading, tokenising, templates.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gpumodel::engine::server {

// Long jobs (a load takes seconds) never hold all threads, so that short ones go on beside them.
// The queues are as long as there are open requests (RequestTable::kMaxOpen).
class WorkerPool {
 public:
  enum class Length { brief, lengthy };

  // At least 2 threads; one less of them take lengthy jobs.
  explicit WorkerPool(unsigned threads);
  ~WorkerPool();  // stops

  // Drops what has not begun and waits for what has; nothing runs afterwards.
  void stop();

  // Any thread. A job does not throw.
  void submit(Length length, std::function<void()> job);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> brief_;
  std::deque<std::function<void()>> lengthy_;
  unsigned running_lengthy_ = 0;
  unsigned most_lengthy_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gpumodel::engine::server

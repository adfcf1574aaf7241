#include "engine/model/slices.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>

namespace gpumodel::engine::model {
namespace {

// How long a thread that gives way waits before it looks again.
constexpr std::chrono::milliseconds kGiveWay{2};

// Slices are taken by whichever thread is free, until none is left, one fails or it is stopped.
class Run {
 public:
  Run(const std::vector<std::uint64_t>& slice_bytes, const LoadOptions& options,
      const std::function<void(std::size_t)>& work)
      : slice_bytes_(slice_bytes),
        options_(options),
        work_(work),
        threads_(std::clamp<std::size_t>(options.threads, 1,
                                         std::max<std::size_t>(slice_bytes.size(), 1))),
        total_bytes_(std::accumulate(slice_bytes.begin(), slice_bytes.end(), std::uint64_t{0})) {}

  void run() {
    {
      const std::vector<std::jthread> helpers = start_helpers();
      work(0);
    }
    if (error_) std::rethrow_exception(error_);
    if (done_bytes_ != total_bytes_) throw LoadInterrupted();
    if (options_.progress) options_.progress(total_bytes_, total_bytes_);
  }

 private:
  std::vector<std::jthread> start_helpers() {
    std::vector<std::jthread> helpers;
    while (helpers.size() + 1 < threads_) {
      try {
        helpers.emplace_back([this, number = helpers.size() + 1] { work(number); });
      } catch (const std::system_error&) {
        break;  // the system has no more threads; those there are do it
      }
    }
    return helpers;
  }

  bool is_over() const {
    return failed_ || options_.stop.stop_requested() || next_ >= slice_bytes_.size();
  }

  // Of the thread `number`, counted from 0, the caller's.
  void give_way(std::size_t number) const {
    if (number == 0 || number < threads_ / 2 || !options_.gives_way) return;
    while (!is_over() && options_.gives_way()) std::this_thread::sleep_for(kGiveWay);
  }

  // The first exception of any thread is kept.
  void work(std::size_t number) noexcept {
    try {
      for (;;) {
        give_way(number);
        if (is_over()) return;
        const std::size_t slice = next_.fetch_add(1);
        if (slice >= slice_bytes_.size()) return;
        work_(slice);
        const std::uint64_t done = done_bytes_ += slice_bytes_[slice];
        if (number == 0 && options_.progress && done < total_bytes_)
          options_.progress(done, total_bytes_);
      }
    } catch (...) {
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }

  const std::vector<std::uint64_t>& slice_bytes_;
  const LoadOptions& options_;
  const std::function<void(std::size_t)>& work_;
  const std::size_t threads_;
  const std::uint64_t total_bytes_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::uint64_t> done_bytes_{0};
  std::atomic<bool> failed_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

}  // namespace

void for_each_slice(const std::vector<std::uint64_t>& slice_bytes, const LoadOptions& options,
                    const std::function<void(std::size_t)>& work) {
  Run(slice_bytes, options, work).run();
}

}  // namespace gpumodel::engine::model

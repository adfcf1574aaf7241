// The thread that decodes. Everything else hands it work and never waits for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/server/lane.hpp"

namespace gpumodel::engine::server {

// Its loop: take what was handed over, end what was cancelled or is late (also what workers still
// prepare), then one step of one model, in turn among those that have work. While the broker leaves
// more than the channel's limit unread, no step runs: generations pause, and the engine's memory
// stays bounded.
class StepLoop {
 public:
  // Called in the step thread: with null where the model can be stepped, else with the reason.
  using OnAdded = std::function<void(std::exception_ptr)>;
  // Called in the step thread with the model, once nobody uses it any more; null if there is none.
  using OnRemoved = std::function<void(std::shared_ptr<ResidentModel>)>;

  StepLoop(Channel& channel, std::unique_ptr<device::Backend> backend);
  ~StepLoop();

  // Waits for the step that runs and ends the thread; what is open then is answered by the replies'
  // own end. Everything else may still be called, without effect.
  void stop();

  const char* backend_name() const { return backend_->name(); }

  // All from any thread.
  void add_model(std::shared_ptr<ResidentModel> model, OnAdded on_added);
  // Ends the model's generations with `cancelled` first.
  void remove_model(std::uint64_t id, OnRemoved on_removed);
  // Ends the generations with it with `cancelled`; calls back in the step thread once nobody uses
  // it any more.
  void remove_adapter(std::shared_ptr<ResidentAdapter> adapter, std::function<void()> on_removed);
  // Answers it as soon as it is cancelled or late, until it is submitted or somebody else claims
  // it.
  void watch(PendingPtr pending);
  // Runs it, unless it is answered already. One whose model is gone or going is answered with
  // `cancelled`.
  void submit(PendingPtr pending, PreparedGeneration prepared);
  // Something was cancelled.
  void notify();
  // Whether a generation runs now.
  bool is_stepping() const { return is_stepping_; }
  // How often the step thread has looked for work.
  std::uint64_t steps() const { return steps_; }

 private:
  using Job = std::function<void()>;
  struct Entry {
    std::unique_ptr<Lane> lane;
    OnRemoved on_removed;  // set while it is being unloaded
  };

  struct LeavingAdapter {
    std::shared_ptr<ResidentAdapter> adapter;
    std::function<void()> on_removed;
  };

  void push(Job job);
  void run();
  bool take_jobs();
  bool has_work() const;
  bool is_removing() const;
  void admit(PendingGeneration& pending, PreparedGeneration prepared);
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void end_pending(Clock::time_point now);
  void cancel_users_of(std::uint64_t id);
  void finish_removals();
  Lane* next_lane();

  Channel& channel_;
  std::unique_ptr<device::Backend> backend_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool is_notified_ = false;
  bool stopping_ = false;
  std::atomic<bool> is_stepping_{false};
  std::atomic<std::uint64_t> steps_{0};

  // Of the step thread.
  std::map<std::uint64_t, Entry> lanes_;
  std::list<PendingPtr> pending_;
  std::list<LeavingAdapter> leaving_;
  std::uint64_t last_stepped_ = 0;

  std::thread thread_;
};

}  // namespace gpumodel::engine::server

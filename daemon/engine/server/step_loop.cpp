#include "engine/server/step_loop.hpp"

#include <algorithm>

namespace gpumodel::engine::server {
namespace {

using std::chrono::milliseconds;

// How often a model that is being removed is looked at, while workers still prepare prompts for it.
constexpr milliseconds kRemovalPoll{2};
constexpr milliseconds kBacklogPoll{50};

}  // namespace

StepLoop::StepLoop(Channel& channel, std::unique_ptr<device::Backend> backend)
    : channel_(channel), backend_(std::move(backend)) {
  thread_ = std::thread([this] { run(); });
}

StepLoop::~StepLoop() { stop(); }

void StepLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void StepLoop::push(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void StepLoop::notify() {
  {
    const std::lock_guard lock(mutex_);
    is_notified_ = true;
  }
  changed_.notify_one();
}

void StepLoop::add_model(std::shared_ptr<ResidentModel> model, OnAdded on_added) {
  push([this, model = std::move(model), on_added = std::move(on_added)] {
    try {
      lanes_[model->id()].lane = std::make_unique<Lane>(model, *backend_);
    } catch (...) {
      lanes_.erase(model->id());
      on_added(std::current_exception());
      return;
    }
    on_added(nullptr);
  });
}

void StepLoop::remove_model(std::uint64_t id, OnRemoved on_removed) {
  push([this, id, on_removed = std::move(on_removed)] {
    const auto found = lanes_.find(id);
    if (found == lanes_.end()) {
      on_removed(nullptr);
      return;
    }
    cancel_users_of(id);
    found->second.on_removed = on_removed;
  });
}

void StepLoop::remove_adapter(std::shared_ptr<ResidentAdapter> adapter,
                              std::function<void()> on_removed) {
  push([this, adapter = std::move(adapter), on_removed = std::move(on_removed)] {
    cancel_users_of(adapter->id());
    leaving_.push_back({adapter, on_removed});
  });
}

void StepLoop::watch(PendingPtr pending) {
  push([this, pending = std::move(pending)] { pending_.push_back(pending); });
}

void StepLoop::submit(PendingPtr pending, PreparedGeneration prepared) {
  auto shared = std::make_shared<PreparedGeneration>(std::move(prepared));
  push([this, pending = std::move(pending), shared] { admit(*pending, std::move(*shared)); });
}

void StepLoop::admit(PendingGeneration& pending, PreparedGeneration prepared) {
  if (!pending.claim()) return;
  const GenerationRequest& request = pending.request();
  const auto found = lanes_.find(request.params.weights);
  const bool is_going = found == lanes_.end() || found->second.on_removed != nullptr;
  if (is_going || request.reply->stop().stop_requested())
    return answer_unstarted(request, batch::Finish::cancelled);
  if (Clock::now() >= request.deadline()) return answer_unstarted(request, batch::Finish::deadline);
  try {
    found->second.lane->add(request, std::move(prepared));
  } catch (...) {
    request.reply->fail(to_wire_error(std::current_exception()));
  }
}

void StepLoop::end_pending(Clock::time_point now) {
  pending_.remove_if([&](const PendingPtr& pending) {
    const GenerationRequest& request = pending->request();
    const bool is_late = now >= request.deadline();
    const bool is_over = is_late || request.reply->stop().stop_requested();
    if (is_over && pending->claim())
      answer_unstarted(request, is_late ? batch::Finish::deadline : batch::Finish::cancelled);
    return pending->is_claimed();
  });
}

void StepLoop::cancel_users_of(std::uint64_t id) {
  for (const PendingPtr& pending : pending_)
    if (pending->request().uses(id) && pending->claim())
      answer_unstarted(pending->request(), batch::Finish::cancelled);
  for (const auto& [weights, entry] : lanes_)
    entry.lane->end_users_of(id, batch::Finish::cancelled);
}

bool StepLoop::has_work() const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [](const auto& entry) { return entry.second.lane->has_work(); });
}

bool StepLoop::is_removing() const {
  return !leaving_.empty() || std::any_of(lanes_.begin(), lanes_.end(), [](const auto& entry) {
    return entry.second.on_removed != nullptr;
  });
}

void StepLoop::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto is_due = [&] { return stopping_ || is_notified_ || !jobs_.empty(); };
  auto until = Clock::time_point::max();
  for (const PendingPtr& pending : pending_) until = std::min(until, pending->request().deadline());
  if (is_removing()) until = std::min(until, Clock::now() + kRemovalPoll);
  if (until == Clock::time_point::max()) {
    changed_.wait(lock, is_due);
  } else {
    changed_.wait_until(lock, until, is_due);
  }
}

// Waits while there is nothing to do; false when the loop shall end.
bool StepLoop::take_jobs() {
  is_stepping_ = has_work();
  const bool may_wait = !is_stepping_;
  std::deque<Job> jobs;
  {
    std::unique_lock lock(mutex_);
    if (may_wait) wait_for_work(lock);
    if (stopping_) return false;
    is_notified_ = false;
    jobs.swap(jobs_);
  }
  for (Job& job : jobs) {
    job();
    job = nullptr;
  }
  return true;
}

void StepLoop::finish_removals() {
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    Entry& entry = it->second;
    if (entry.on_removed == nullptr || entry.lane->model()->uses != 0) {
      ++it;
      continue;
    }
    const OnRemoved on_removed = std::move(entry.on_removed);
    std::shared_ptr<ResidentModel> model = entry.lane->model();
    it = lanes_.erase(it);
    on_removed(std::move(model));
  }
  leaving_.remove_if([](const LeavingAdapter& leaving) {
    if (leaving.adapter->uses != 0) return false;
    leaving.on_removed();
    return true;
  });
}

// The next one after the last that has work, round and round.
Lane* StepLoop::next_lane() {
  Lane* first = nullptr;
  for (const auto& [id, entry] : lanes_) {
    if (!entry.lane->has_work()) continue;
    if (id > last_stepped_) {
      last_stepped_ = id;
      return entry.lane.get();
    }
    if (first == nullptr) first = entry.lane.get();
  }
  if (first != nullptr) last_stepped_ = first->model()->id();
  return first;
}

void StepLoop::run() {
  std::string messages;
  while (take_jobs()) {
    ++steps_;
    const auto now = Clock::now();
    end_pending(now);
    for (const auto& [id, entry] : lanes_) entry.lane->end_stopped(now);
    finish_removals();
    if (channel_.backlogged() && !channel_.wait_for_room(kBacklogPoll)) continue;
    if (Lane* lane = next_lane()) lane->step(messages);
    channel_.send(messages);
    messages.clear();
  }
  lanes_.clear();
}

}  // namespace gpumodel::engine::server

#include "engine/batch/scheduler.hpp"

#include <algorithm>

namespace gpumodel::engine::batch {

void Scheduler::add(Sequence& sequence) { waiting_.push_back(&sequence); }

void Scheduler::remove(Sequence& sequence) {
  std::erase(running_, &sequence);
  std::erase(waiting_, &sequence);
  std::erase_if(step_, [&](const Work& work) { return work.sequence == &sequence; });
  sequence.pages_.truncate(0);
  sequence.computed_tokens_ = 0;
}

const std::vector<Work>& Scheduler::schedule() {
  step_.clear();
  schedule_decodes();
  admit();
  schedule_prompts();
  return step_;
}

void Scheduler::commit() {
  for (const Work& work : step_) work.sequence->computed_tokens_ += work.tokens;
  step_.clear();
}

void Scheduler::schedule_decodes() {
  // Preemption takes from the end of running_, which this walks towards.
  for (std::size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (sequence.pending_tokens() != 1) continue;
    bool has_page = sequence.pages_.reserve(static_cast<std::int64_t>(sequence.tokens_.size()));
    while (!has_page && running_.size() > i + 1) {
      preempt_youngest();
      has_page = sequence.pages_.reserve(static_cast<std::int64_t>(sequence.tokens_.size()));
    }
    if (has_page) {
      step_.push_back({&sequence, 1, true});
    } else {
      preempt_youngest();  // itself: older ones hold the pages
    }
  }
}

void Scheduler::preempt_youngest() {
  Sequence& youngest = *running_.back();
  running_.pop_back();
  youngest.pages_.truncate(0);
  youngest.computed_tokens_ = 0;
  waiting_.push_front(&youngest);
  ++preemptions_;
}

bool Scheduler::may_admit(const Sequence& sequence) const {
  if (running_.size() >= limits_.logit_rows) return false;
  if (running_.empty()) return true;
  const std::int64_t wanted = kv::pages_for(static_cast<std::int64_t>(sequence.tokens_.size()));
  return wanted + static_cast<std::int64_t>(running_.size()) <= pool_.free_pages();
}

void Scheduler::admit() {
  while (!waiting_.empty() && may_admit(*waiting_.front())) {
    Sequence& sequence = *waiting_.front();
    if (!sequence.pages_.reserve(static_cast<std::int64_t>(sequence.tokens_.size()))) return;
    waiting_.pop_front();
    running_.push_back(&sequence);
  }
}

void Scheduler::schedule_prompts() {
  std::size_t rows = std::min(limits_.rows - step_.size(), limits_.prompt_rows);
  const std::size_t decodes = step_.size();
  for (Sequence* sequence : running_) {
    if (rows == 0) return;
    const bool is_scheduled =
        std::any_of(step_.begin(), step_.begin() + static_cast<std::ptrdiff_t>(decodes),
                    [&](const Work& work) { return work.sequence == sequence; });
    if (is_scheduled) continue;
    const std::size_t pending = sequence->pending_tokens();
    const std::size_t tokens = std::min(pending, rows);
    step_.push_back({sequence, tokens, tokens == pending});
    rows -= tokens;
  }
}

}  // namespace gpumodel::engine::batch

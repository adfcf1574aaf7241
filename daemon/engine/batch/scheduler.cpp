#include "engine/batch/scheduler.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace gpumodel::engine::batch {
namespace {

std::int64_t signed_of(std::size_t count) { return static_cast<std::int64_t>(count); }

bool decodes(const Sequence& sequence) { return sequence.pending_tokens() == 1; }

}  // namespace

void Scheduler::remove(Sequence& sequence) {
  keep_pages(sequence);
  abandon(sequence);
}

void Scheduler::abandon(Sequence& sequence) {
  std::erase(running_, &sequence);
  waiting_.remove(sequence);
  std::erase_if(step_, [&](const Work& work) { return work.sequence == &sequence; });
  sequence.pages_.truncate(0);
  sequence.computed_tokens_ = 0;
}

// Others may begin in the same way, and so may it itself after a preemption.
void Scheduler::keep_pages(Sequence& sequence) {
  if (cache_ == nullptr) return;
  cache_->add(sequence.owner(), sequence.tokens().first(sequence.computed_tokens_),
              sequence.pages_);
}

const std::vector<Work>& Scheduler::schedule() {
  step_.clear();
  reserve_for_decodes();
  admit();
  schedule_decodes();
  schedule_prompts();
  schedule_drafts();
  return step_;
}

void Scheduler::commit() {
  for (const Work& work : step_) {
    Sequence& sequence = *work.sequence;
    sequence.computed_tokens_ += work.tokens;
    const bool was_prompt = sequence.output_tokens() == 0;
    if (work.samples && was_prompt) keep_pages(sequence);
  }
  step_.clear();
}

void Scheduler::reserve_for_decodes() {
  for (std::size_t i = 0; i < running_.size();) {
    Sequence& sequence = *running_[i];
    if (!decodes(sequence) || sequence.pages_.reserve(signed_of(sequence.tokens_.size()))) {
      ++i;
      continue;
    }
    const std::size_t out = victim();
    preempt(out);
    if (out < i) --i;  // what stood behind it has moved up
  }
}

// Never the oldest, unless it is alone.
std::size_t Scheduler::victim() const {
  std::map<std::uint32_t, std::size_t> running;
  for (const Sequence* sequence : running_) ++running[sequence->uid()];
  std::size_t chosen = running_.size() - 1;
  for (std::size_t i = running_.size(); i-- > 1;)
    if (running[running_[i]->uid()] > running[running_[chosen]->uid()]) chosen = i;
  return chosen;
}

void Scheduler::preempt(std::size_t index) {
  Sequence& sequence = *running_[index];
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
  keep_pages(sequence);
  sequence.pages_.truncate(0);
  sequence.computed_tokens_ = 0;
  waiting_.put_back(sequence);
  ++preemptions_;
}

bool Scheduler::admit(Sequence& sequence) {
  std::vector<kv::PageId> found;
  if (cache_ != nullptr) cache_->find(sequence.owner(), sequence.tokens(), found);
  sequence.pages_.adopt(found);
  const std::int64_t missing =
      kv::pages_for(signed_of(sequence.tokens_.size())) - signed_of(found.size());
  const std::int64_t spare = signed_of(running_.size());
  const bool fits = missing + spare <= pool_.available_pages() || running_.empty();
  if (!fits || !sequence.pages_.reserve(signed_of(sequence.tokens_.size()))) {
    sequence.pages_.truncate(0);
    return false;
  }
  sequence.computed_tokens_ = found.size() * kv::kPageTokens;
  if (!sequence.was_admitted_) sequence.cached_tokens_ = sequence.computed_tokens_;
  sequence.was_admitted_ = true;
  return true;
}

void Scheduler::admit() {
  while (running_.size() < limits_.logit_rows) {
    Sequence* const sequence = waiting_.next(running_);
    if (sequence == nullptr || !admit(*sequence)) return;
    waiting_.take(*sequence);
    running_.push_back(sequence);
  }
}

void Scheduler::schedule_decodes() {
  for (Sequence* sequence : running_)
    if (decodes(*sequence)) step_.push_back({sequence, 1, true});
}

void Scheduler::schedule_prompts() {
  std::vector<Sequence*> prompts;
  std::set<std::uint32_t> uids;
  for (Sequence* sequence : running_) {
    if (decodes(*sequence)) continue;
    prompts.push_back(sequence);
    uids.insert(sequence->uid());
  }
  if (prompts.empty()) return;
  std::size_t left = limits_.rows - step_.size();
  if (!step_.empty()) left = std::min(left, limits_.prompt_rows);
  const std::size_t share = (left + uids.size() - 1) / uids.size();
  std::vector<std::size_t> rows(prompts.size(), 0);
  const auto give = [&](std::size_t i, std::size_t most) {
    const std::size_t more = std::min({most, left, prompts[i]->pending_tokens() - rows[i]});
    rows[i] += more;
    left -= more;
  };
  // Each uid's oldest first, then whoever is oldest.
  for (std::size_t i = 0; i < prompts.size(); ++i)
    if (uids.erase(prompts[i]->uid()) > 0) give(i, share);
  for (std::size_t i = 0; i < prompts.size(); ++i) give(i, left);
  for (std::size_t i = 0; i < prompts.size(); ++i)
    if (rows[i] > 0)
      step_.push_back({prompts[i], rows[i], rows[i] == prompts[i]->pending_tokens()});
}

// Drafts cost rows that nobody else wants, and pages that nobody else needs now.
void Scheduler::schedule_drafts() {
  std::size_t rows = std::min(limits_.rows, limits_.rows_with_drafts);
  std::size_t logits = limits_.logit_rows;
  for (const Work& work : step_) {
    rows -= std::min(rows, work.tokens);
    logits -= work.samples ? 1 : 0;
  }
  for (Work& work : step_) {
    Sequence& sequence = *work.sequence;
    if (!work.samples) continue;
    const std::size_t drafted = std::min({sequence.draft_.size(), rows, logits});
    const std::int64_t tokens = signed_of(sequence.tokens_.size() + drafted);
    const std::int64_t missing = kv::pages_for(tokens) - signed_of(sequence.pages().size());
    if (drafted == 0 || missing > pool_.free_pages() || !sequence.pages_.reserve(tokens)) continue;
    work.drafted = drafted;
    rows -= drafted;
    logits -= drafted;
  }
}

}  // namespace gpumodel::engine::batch

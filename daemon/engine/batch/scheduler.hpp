// Decides what runs in the next step of one model. A pure data structure: no thread, no clock, no
// bytes.
//
//   scheduler.add(sequence);
//   const auto& step = scheduler.schedule();      // run it, then for each work with `samples`
//   scheduler.commit();                           // append a token to its sequence or remove it
//
// Sequences run in the order in which they were added. Every running one that waits for its next
// token gets a row in every step; what rows are left go to prompts, oldest first, in chunks. A
// prompt is admitted with the pages of all its tokens, and a page more for each that runs, so that
// it is not thrown out at once. Where a decoding sequence finds no page, the youngest running one
// is preempted: its pages are freed, it is the first to be admitted again, and its keys and values
// are computed anew from prompt and output. The oldest is never preempted, so everyone finishes.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "engine/batch/sequence.hpp"

namespace gpumodel::engine::batch {

struct StepLimits {
  std::size_t rows = 512;       // tokens in one step
  std::size_t logit_rows = 64;  // also the most sequences that run
  // Prompt tokens in one step: what others wait for their next token, and a cancellation takes
  // effect. A constant, so that the same request is cut, and rounded, the same way every time.
  std::size_t prompt_rows = 128;
};

// One sequence's part of a step: tokens [computed, computed + tokens) of it.
struct Work {
  Sequence* sequence = nullptr;
  std::size_t tokens = 0;
  bool samples = false;  // its last token is among them: logits are wanted for that
};

class Scheduler {
 public:
  // The pool is the one that the sequences were made with.
  Scheduler(const kv::PagePool& pool, const StepLimits& limits) : pool_(pool), limits_(limits) {}

  // The sequence is borrowed until it is removed. Its tokens, prompt and output to come, need no
  // more pages than its pool has; otherwise it could never run.
  void add(Sequence& sequence);
  // Frees its pages. Not between schedule() and commit().
  void remove(Sequence& sequence);

  // What runs next; empty where nothing is there to run. Valid until the next call. Pages for all
  // of it are reserved.
  const std::vector<Work>& schedule();
  // The step has run: what was scheduled counts as computed.
  void commit();

  bool empty() const { return running_.empty() && waiting_.empty(); }
  std::span<Sequence* const> running() const { return running_; }
  std::size_t waiting() const { return waiting_.size(); }
  // How often a sequence was preempted since the scheduler began.
  std::uint64_t preemptions() const { return preemptions_; }

 private:
  void schedule_decodes();
  void schedule_prompts();
  void admit();
  bool may_admit(const Sequence& sequence) const;
  void preempt_youngest();

  const kv::PagePool& pool_;
  StepLimits limits_;
  std::vector<Sequence*> running_;  // oldest first
  // First in, first out. Fairness between uids replaces which of these is admitted next; all in
  // here are younger than all that run.
  std::deque<Sequence*> waiting_;
  std::vector<Work> step_;
  std::uint64_t preemptions_ = 0;
};

}  // namespace gpumodel::engine::batch

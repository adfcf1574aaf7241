// Decides what runs in the next step of one model. A pure data structure: no thread, no clock, no
// bytes.
//
//   scheduler.add(sequence);
//   const auto& step = scheduler.schedule();  // run it, then
//   scheduler.commit();                       // and for each work with `samples`: append a token
//   to
//                                             // its sequence, or remove it; accept() what it
//                                             drafted
//
// Every running sequence that waits for its next token gets a row in every step; what rows are left
// go to prompts in chunks, shared between the uids that have some, and then to drafts. Sequences
// are admitted by turns (waiting.hpp), each with the pages of all its tokens, and a page more for
// each that runs, so that it is not thrown out at once; what the prefix cache holds of it is not
// computed again. Where a decoding sequence finds no page, one is preempted: the youngest of the
// uid with the most that run. Its pages are given back, it is the next of its lease, and what the
// cache has lost of its keys and values is computed anew. The oldest is never preempted, so
// everyone finishes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/batch/sequence.hpp"
#include "engine/batch/waiting.hpp"

namespace gpumodel::engine::batch {

struct StepLimits {
  std::size_t rows = 512;       // tokens in one step
  std::size_t logit_rows = 64;  // also the most sequences that run
  // Prompt tokens in one step beside sequences that decode: what these wait for their next token,
  // and a cancellation takes effect.
  std::size_t prompt_rows = 128;
  // A step has drafts only up to so many rows: beyond, a row costs about what the token costs that
  // it might save.
  std::size_t rows_with_drafts = 16;
};

// One sequence's part of a step: tokens [computed, computed + tokens) of it, and the first
// `drafted` of its draft behind them.
struct Work {
  Sequence* sequence = nullptr;
  std::size_t tokens = 0;
  // Its last token is among them: logits are wanted for that, and for what is drafted.
  bool samples = false;
  std::size_t drafted = 0;
};

class Scheduler {
 public:
  // The pool is the one that the sequences were made with; the cache is of it, or nullptr.
  Scheduler(const kv::PagePool& pool, kv::PrefixCache* cache, const StepLimits& limits)
      : pool_(pool), cache_(cache), limits_(limits) {}

  // The sequence is borrowed until it is removed. Its tokens, prompt and output to come, need no
  // more pages than its pool has; otherwise it could never run.
  void add(Sequence& sequence) { waiting_.add(sequence); }
  // Leaves what it has computed to the cache, and frees its pages. Not between schedule() and
  // commit().
  void remove(Sequence& sequence);
  // Frees its pages: the step that it was in has failed, and nobody knows what is in them. In place
  // of commit(), for each sequence of the step.
  void abandon(Sequence& sequence);

  // What runs next; empty where nothing is there to run. Valid until the next call. Pages for all
  // of it are reserved.
  const std::vector<Work>& schedule();
  // The step has run: what was scheduled counts as computed, but for drafts.
  void commit();
  // The first `count` of its draft were right: they are appended, and count as computed. After
  // commit(), before the next token is appended.
  void accept(Sequence& sequence, std::size_t count) { sequence.computed_tokens_ += count; }

  bool empty() const { return running_.empty() && waiting_.empty(); }
  std::span<Sequence* const> running() const { return running_; }
  std::size_t waiting() const { return waiting_.size(); }
  // How often a sequence was preempted since the scheduler began.
  std::uint64_t preemptions() const { return preemptions_; }

 private:
  void reserve_for_decodes();
  void schedule_decodes();
  void schedule_prompts();
  void schedule_drafts();
  void admit();
  bool admit(Sequence& sequence);
  std::size_t victim() const;
  void preempt(std::size_t index);
  void keep_pages(Sequence& sequence);

  const kv::PagePool& pool_;
  kv::PrefixCache* cache_;
  StepLimits limits_;
  std::vector<Sequence*> running_;  // in the order of their admission
  Waiting waiting_;
  std::vector<Work> step_;
  std::uint64_t preemptions_ = 0;
};

}  // namespace gpumodel::engine::batch

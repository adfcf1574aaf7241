// One sequence as the scheduler sees it: its tokens, and how many of them the pages hold.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/kv/page_pool.hpp"
#include "engine/kv/prefix_cache.hpp"

namespace gpumodel::engine::batch {

// Belongs to the thread that schedules. Not moved while a scheduler knows it.
class Sequence {
 public:
  // `prompt` has at least one token; `lease` tells those of one owner apart. The pool outlives the
  // sequence.
  Sequence(kv::PagePool& pool, const kv::PrefixOwner& owner, std::uint64_t lease,
           std::vector<std::int32_t> prompt)
      : owner_(owner),
        lease_(lease),
        prompt_tokens_(prompt.size()),
        tokens_(std::move(prompt)),
        pages_(pool) {}
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  const kv::PrefixOwner& owner() const { return owner_; }
  std::uint32_t uid() const { return owner_.uid; }
  std::uint64_t lease() const { return lease_; }
  // Prompt and output.
  std::span<const std::int32_t> tokens() const { return tokens_; }
  std::size_t prompt_tokens() const { return prompt_tokens_; }
  std::size_t output_tokens() const { return tokens_.size() - prompt_tokens_; }
  // The first so many tokens have keys and values in the pages.
  std::size_t computed_tokens() const { return computed_tokens_; }
  std::size_t pending_tokens() const { return tokens_.size() - computed_tokens_; }
  // So many of the prompt were found computed when it was first admitted.
  std::size_t cached_tokens() const { return cached_tokens_; }
  std::span<const kv::PageId> pages() const { return pages_.pages(); }

  void append(std::int32_t token) { tokens_.push_back(token); }

  // What may follow its tokens: a guess, to be checked in the step that computes its last token.
  void set_draft(std::span<const std::int32_t> draft) { draft_.assign(draft.begin(), draft.end()); }
  std::span<const std::int32_t> draft() const { return draft_; }

 private:
  friend class Scheduler;

  kv::PrefixOwner owner_;
  std::uint64_t lease_;
  std::size_t prompt_tokens_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::int32_t> draft_;
  std::size_t computed_tokens_ = 0;
  std::size_t cached_tokens_ = 0;
  bool was_admitted_ = false;
  kv::PageTable pages_;
};

}  // namespace gpumodel::engine::batch

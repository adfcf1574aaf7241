// One sequence as the scheduler sees it: its tokens, and how many of them the pages hold.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/kv/page_pool.hpp"

namespace gpumodel::engine::batch {

// Belongs to the thread that schedules. Not moved while a scheduler knows it.
class Sequence {
 public:
  // `prompt` has at least one token. The pool outlives the sequence.
  Sequence(kv::PagePool& pool, std::uint32_t uid, std::vector<std::int32_t> prompt)
      : uid_(uid), prompt_tokens_(prompt.size()), tokens_(std::move(prompt)), pages_(pool) {}
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  std::uint32_t uid() const { return uid_; }
  // Prompt and output.
  std::span<const std::int32_t> tokens() const { return tokens_; }
  std::size_t prompt_tokens() const { return prompt_tokens_; }
  std::size_t output_tokens() const { return tokens_.size() - prompt_tokens_; }
  // The first so many tokens have keys and values in the pages.
  std::size_t computed_tokens() const { return computed_tokens_; }
  std::size_t pending_tokens() const { return tokens_.size() - computed_tokens_; }
  std::span<const kv::PageId> pages() const { return pages_.pages(); }

  void append(std::int32_t token) { tokens_.push_back(token); }

 private:
  friend class Scheduler;

  std::uint32_t uid_;
  std::size_t prompt_tokens_;
  std::vector<std::int32_t> tokens_;
  std::size_t computed_tokens_ = 0;
  kv::PageTable pages_;
};

}  // namespace gpumodel::engine::batch

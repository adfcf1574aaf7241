#include "engine/batch/prompt_lookup.hpp"

#include <algorithm>
#include <cmath>

namespace gpumodel::engine::batch {
namespace {

constexpr double kMemory = 0.75;    // of held_ from one guess to the next
constexpr double kPaysFrom = 0.25;  // tokens that must hold of a guess, about what its rows cost

}  // namespace

std::size_t DraftLength::next(std::size_t tokens) const {
  if (tokens < rests_until_) return 0;
  return std::min<std::size_t>(kMost, static_cast<std::size_t>(std::lround(2.0 * held_)) + 1);
}

void DraftLength::record(std::size_t drafted, std::size_t accepted, std::size_t tokens) {
  held_ = kMemory * held_ + (1.0 - kMemory) * static_cast<double>(accepted);
  // A guess that held as a whole says that more would have.
  if (accepted == drafted) held_ = std::max(held_, static_cast<double>(accepted) + 1.0);
  if (held_ >= kPaysFrom) {
    if (accepted > 0) rest_ = kFirstRest;
    return;
  }
  rests_until_ = tokens + rest_;
  rest_ = std::min(kLongestRest, 2 * rest_);
  held_ = kPaysFrom;
}

std::uint64_t PromptLookup::gram(std::span<const std::int32_t> tokens, std::size_t end) {
  std::uint64_t hash = 0;
  for (std::size_t i = end - kGram; i < end; ++i)
    hash = (hash ^ static_cast<std::uint32_t>(tokens[i])) * 0x9e3779b97f4a7c15ull;
  return hash;
}

std::span<const std::int32_t> PromptLookup::draft(std::span<const std::int32_t> tokens,
                                                  std::size_t most) {
  draft_.clear();
  if (tokens.size() < kGram + 1) return draft_;
  for (indexed_ = std::max(indexed_, kGram); indexed_ < tokens.size(); ++indexed_)
    ends_[gram(tokens, indexed_)] = static_cast<std::uint32_t>(indexed_);
  const std::size_t wanted = std::min(most, length_.next(tokens.size()));
  if (wanted == 0) return draft_;
  const auto found = ends_.find(gram(tokens, tokens.size()));
  if (found == ends_.end()) return draft_;
  const std::size_t end = found->second;
  const bool agrees = std::equal(tokens.end() - kGram, tokens.end(),
                                 tokens.begin() + static_cast<std::ptrdiff_t>(end - kGram));
  if (!agrees) return draft_;
  // Where the guess runs into the end of the text, the text goes on as it guesses: a cycle.
  for (std::size_t i = 0; i < wanted; ++i) {
    const std::size_t at = end + i;
    draft_.push_back(at < tokens.size() ? tokens[at] : draft_[at - tokens.size()]);
  }
  return draft_;
}

}  // namespace gpumodel::engine::batch

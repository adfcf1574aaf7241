// Guesses what a sequence says next from what it has said and been told before: the tokens that
// followed the last ones where they stood earlier (Saxena 2023, "Prompt Lookup Decoding"). A guess
// is checked in the step that computes it, so a wrong one costs rows of a step and nothing else.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace gpumodel::engine::batch {

// How long a guess may be, from how the last ones went: twice what held lately and one more. Where
// next to nothing holds, guessing rests, each time for longer, until a guess holds again.
class DraftLength {
 public:
  static constexpr std::size_t kMost = 15;

  // Of the next guess; 0: none now. `tokens` is how many the sequence has.
  std::size_t next(std::size_t tokens) const;
  // So many of `drafted`, at least one, were right.
  void record(std::size_t drafted, std::size_t accepted, std::size_t tokens);

 private:
  static constexpr std::size_t kFirstRest = 16;
  static constexpr std::size_t kLongestRest = 1024;

  double held_ = 2.0;            // tokens of a guess, lately
  std::size_t rests_until_ = 0;  // tokens of the sequence
  std::size_t rest_ = kFirstRest;
};

class PromptLookup {
 public:
  // The sequence's tokens, of which those of earlier calls are a prefix; returns the guess, at most
  // `most` tokens, valid until the next call.
  std::span<const std::int32_t> draft(std::span<const std::int32_t> tokens, std::size_t most);

  DraftLength& length() { return length_; }

 private:
  // Tokens that must agree before a guess. Fewer agree by chance too often.
  static constexpr std::size_t kGram = 3;

  static std::uint64_t gram(std::span<const std::int32_t> tokens, std::size_t end);

  // Where each run of kGram tokens ended last, counted in tokens before its end; only ends that
  // were followed by something.
  std::unordered_map<std::uint64_t, std::uint32_t> ends_;
  std::size_t indexed_ = 0;  // ends below this are in ends_
  std::vector<std::int32_t> draft_;
  DraftLength length_;
};

}  // namespace gpumodel::engine::batch

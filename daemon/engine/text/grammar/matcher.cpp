#include "engine/text/grammar/matcher.hpp"

#include <time.h>

#include <algorithm>
#include <cassert>
#include <stdexcept>

#include "engine/text/grammar/compiled_grammar.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

constexpr std::size_t kBits = 32;

// A mask takes some 0.1 ms, and now and then 10 ms, where a vocabulary has 150,000 tokens.
constexpr std::chrono::seconds kAllottedAtFirst{1};
constexpr std::chrono::milliseconds kAllottedForAToken{20};

std::chrono::nanoseconds thread_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void set(std::vector<std::uint32_t>& words, std::int32_t token, bool to) {
  const auto place = static_cast<std::size_t>(token);
  const std::uint32_t bit = 1u << place % kBits;
  std::uint32_t& word = words[place / kBits];
  word = to ? word | bit : word & ~bit;
}

}  // namespace

struct Matcher::State {
  xgrammar::GrammarMatcher matcher;
};

Matcher::Matcher(CompiledPtr compiled)
    : compiled_(std::move(compiled)),
      state_(std::make_unique<State>(State{xgrammar::GrammarMatcher(compiled_->grammar)})),
      allowed_(static_cast<std::size_t>(xgrammar::GetBitmaskSize(compiled_->known_tokens))),
      allotted_(kAllottedAtFirst) {
  look_ahead();
  for (const std::int32_t token : compiled_->not_first) set(allowed_, token, false);
}

Matcher::Matcher(Matcher&&) noexcept = default;
Matcher::~Matcher() = default;

bool Matcher::allows(std::int32_t token) const {
  const auto place = static_cast<std::size_t>(token);
  return place / kBits < allowed_.size() && (allowed_[place / kBits] >> place % kBits & 1u) != 0;
}

void Matcher::accept(std::int32_t token) {
  const auto begun = thread_time();
  if (!state_->matcher.AcceptToken(token))
    throw std::logic_error("a token was accepted that its mask does not allow");
  look_ahead();
  spent_ += thread_time() - begun;
  allotted_ += kAllottedForAToken;
  if (spent_ > allotted_)
    throw Refusal(Refusal::Kind::too_large,
                  "the grammar takes too long to follow; make it less ambiguous");
}

void Matcher::look_ahead() {
  std::int64_t shape[] = {static_cast<std::int64_t>(allowed_.size())};
  DLTensor mask{allowed_.data(), {kDLCPU, 0}, 1, xgrammar::GetBitmaskDLType(), shape, nullptr, 0};
  state_->matcher.FillNextTokenBitmask(&mask);
  const std::size_t rest = static_cast<std::size_t>(compiled_->known_tokens) % kBits;
  if (rest != 0) allowed_.back() &= (1u << rest) - 1;
  may_end_ = state_->matcher.IsCompleted();
  for (const std::int32_t token : compiled_->end_tokens)
    if (token < compiled_->known_tokens) set(allowed_, token, false);
  is_over_ =
      std::all_of(allowed_.begin(), allowed_.end(), [](std::uint32_t word) { return word == 0; });
  if (!may_end_) return;
  for (const std::int32_t token : compiled_->end_tokens)
    if (token < compiled_->known_tokens) set(allowed_, token, true);
}

}  // namespace gpumodel::engine::text::grammar

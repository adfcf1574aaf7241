// Which tokens may follow in one constrained text.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/text/grammar/compiler.hpp"

namespace gpumodel::engine::text::grammar {

// One text's, from one thread at a time.
class Matcher {
 public:
  explicit Matcher(CompiledPtr compiled);
  Matcher(Matcher&&) noexcept;
  ~Matcher();

  // Bit i % 32 of word i / 32: the token i may come next. End tokens may where the text may end.
  // Ids beyond the last word may not. Valid until accept().
  std::span<const std::uint32_t> allowed() const { return allowed_; }
  bool allows(std::int32_t token) const;

  // Whether the text may end here.
  bool may_end() const { return may_end_; }
  // Whether no token but an end may come.
  bool is_over() const { return is_over_; }

  // `token` is allowed and ends nothing. Throws Refusal{too_large} where following the constraint
  // takes too much of the thread's time: ambiguous grammars can grow without bound.
  void accept(std::int32_t token);

 private:
  struct State;
  void look_ahead();

  CompiledPtr compiled_;
  std::unique_ptr<State> state_;
  std::vector<std::uint32_t> allowed_;
  std::chrono::nanoseconds spent_{};   // of the thread's time
  std::chrono::nanoseconds allotted_;  // grows with each token
  bool may_end_ = false;
  bool is_over_ = false;
};

}  // namespace gpumodel::engine::text::grammar

// What expressions are built into before they become an automaton.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "engine/text/grammar/automaton.hpp"
#include "engine/text/grammar/char_set.hpp"

namespace gpumodel::engine::text::grammar {

// Nondeterministic, to build from parts. Beside characters it reads two marks, so that anchors are
// ordinary symbols: the text's begin and end.
class Network {
 public:
  static constexpr char32_t kBegin = kLastCharacter + 1;
  static constexpr char32_t kEnd = kLastCharacter + 2;

  using StateId = std::int32_t;
  StateId add_state();
  void connect(StateId from, StateId to);  // without reading
  void connect(StateId from, StateId to, const CharSet& reads);

  // Accepts the texts that, with the marks around them, lead from `first` to `last`. Reduced.
  Automaton determined(StateId first, StateId last) const;

 private:
  struct State {
    std::vector<StateId> silent;
    std::vector<std::pair<CharSet, StateId>> reading;
  };
  class Alphabet;
  std::vector<StateId> closure(std::vector<StateId> states) const;

  std::vector<State> states_;
};

}  // namespace gpumodel::engine::text::grammar

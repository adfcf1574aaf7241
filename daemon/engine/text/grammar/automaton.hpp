// Finite automata over characters: what regular expressions, lengths, number ranges and excluded
// keys have in common, so that any of them can be combined exactly.
// Source: Hopcroft, Motwani, Ullman, "Introduction to Automata Theory", chapters 2 to 4.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/text/grammar/char_set.hpp"

namespace gpumodel::engine::text::grammar {

// More states than this are Refusal{too_large}: each costs the compiler memory and time.
inline constexpr std::size_t kMaxStates = 4096;

// Deterministic; a value. State 0 is the first one. Where no edge holds a character, the text is
// not accepted. The edges of a state are sorted and do not overlap.
class Automaton {
 public:
  struct Edge {
    CharRange range;
    std::int32_t target;
    friend bool operator==(const Edge&, const Edge&) = default;
  };
  struct State {
    bool accepts = false;
    std::vector<Edge> edges;
  };

  Automaton() : states_(1) {}  // accepts nothing
  explicit Automaton(std::vector<State> states) : states_(std::move(states)) {}
  static Automaton everything();
  static Automaton any_of(const std::vector<std::u32string>& texts);
  // Texts of so many characters; no upper end where `most` is absent.
  static Automaton length(std::uint64_t least, std::optional<std::uint64_t> most);

  const std::vector<State>& states() const { return states_; }
  bool accepts(std::u32string_view text) const;
  bool is_empty() const;  // accepts no text at all

  Automaton complement() const;
  // Fewer states that accept the same; the fewest, unless that takes too long to find.
  Automaton reduced() const;

  friend Automaton intersection(const Automaton& a, const Automaton& b);
  friend Automaton united(const Automaton& a, const Automaton& b);

 private:
  // Only states from which a text can still be accepted, and that can be reached.
  Automaton trimmed() const;

  std::vector<State> states_;
};

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
  std::vector<StateId> closure(std::vector<StateId> states) const;
  std::vector<Automaton::Edge> merged_reads(const std::vector<StateId>& states,
                                            std::vector<std::vector<StateId>>& targets) const;

  std::vector<State> states_;
};

}  // namespace gpumodel::engine::text::grammar

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

// Throws Refusal{too_large} beyond kMaxStates.
void check_states(std::size_t states);
// Behind the others; joined with the last of them where it goes on from there to the same place.
void append_edge(std::vector<Automaton::Edge>& edges, const Automaton::Edge& edge);

}  // namespace gpumodel::engine::text::grammar

#include "engine/text/grammar/automaton.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/text/grammar/refusal.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

using State = Automaton::State;
using Edge = Automaton::Edge;

// Rounds of refinement; long chains, where each round splits off one state, are left as they are.
constexpr std::size_t kMaxRounds = 96;

// The target for a character, -1 where there is none.
std::int32_t next_state(const State& state, char32_t character) {
  const auto after =
      std::upper_bound(state.edges.begin(), state.edges.end(), character,
                       [](char32_t value, const Edge& edge) { return value < edge.range.first; });
  if (after == state.edges.begin()) return -1;
  const Edge& edge = *std::prev(after);
  return character <= edge.range.last ? edge.target : -1;
}

// With a state -1 that never accepts, `edges` covers all characters.
std::vector<Edge> completed(const std::vector<Edge>& edges) {
  std::vector<Edge> whole;
  char32_t next = 0;
  for (const Edge& edge : edges) {
    if (edge.range.first > next) whole.push_back({{next, edge.range.first - 1}, -1});
    whole.push_back(edge);
    next = edge.range.last + 1;
  }
  if (next <= kLastCharacter) whole.push_back({{next, kLastCharacter}, -1});
  return whole;
}

// Runs two automata beside each other; -1 is where one has stopped accepting for good.
template <class Accepts>
Automaton product(const std::vector<State>& a, const std::vector<State>& b, bool may_stop_one,
                  Accepts accepts) {
  using Pair = std::pair<std::int32_t, std::int32_t>;
  std::map<Pair, std::int32_t> ids;
  std::vector<Pair> pairs;
  const auto id_of = [&](const Pair& pair) {
    const auto [place, is_new] = ids.emplace(pair, static_cast<std::int32_t>(pairs.size()));
    if (is_new) pairs.push_back(pair);
    check_states(pairs.size());
    return place->second;
  };
  id_of({0, 0});
  std::vector<State> states;
  static const State kStopped;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [left, right] = pairs[i];
    const State& x = left < 0 ? kStopped : a[static_cast<std::size_t>(left)];
    const State& y = right < 0 ? kStopped : b[static_cast<std::size_t>(right)];
    State state;
    state.accepts = accepts(x.accepts, y.accepts);
    const std::vector<Edge> xs = completed(x.edges);
    const std::vector<Edge> ys = completed(y.edges);
    for (std::size_t p = 0, q = 0; p < xs.size() && q < ys.size();) {
      const CharRange common{std::max(xs[p].range.first, ys[q].range.first),
                             std::min(xs[p].range.last, ys[q].range.last)};
      const Pair target{xs[p].target, ys[q].target};
      const bool is_over = may_stop_one ? target.first < 0 && target.second < 0
                                        : target.first < 0 || target.second < 0;
      if (!is_over) append_edge(state.edges, {common, id_of(target)});
      if (xs[p].range.last < ys[q].range.last) {
        ++p;
      } else if (xs[p].range.last > ys[q].range.last) {
        ++q;
      } else {
        ++p, ++q;
      }
    }
    states.push_back(std::move(state));
  }
  return Automaton(std::move(states));
}

}  // namespace

void check_states(std::size_t states) {
  if (states > kMaxStates)
    throw Refusal(Refusal::Kind::too_large,
                  "its patterns, lengths and ranges together need more than " +
                      std::to_string(kMaxStates) + " states");
}

void append_edge(std::vector<Automaton::Edge>& edges, const Automaton::Edge& edge) {
  if (!edges.empty() && edges.back().target == edge.target &&
      edges.back().range.last + 1 == edge.range.first) {
    edges.back().range.last = edge.range.last;
  } else {
    edges.push_back(edge);
  }
}

Automaton Automaton::everything() {
  State state{true, {}};
  for (const CharRange& range : CharSet::all().ranges()) state.edges.push_back({range, 0});
  return Automaton({std::move(state)});
}

Automaton Automaton::any_of(const std::vector<std::u32string>& texts) {
  Automaton trie;
  for (const std::u32string& text : texts) {
    std::size_t state = 0;
    for (const char32_t character : text) {
      std::int32_t target = next_state(trie.states_[state], character);
      if (target < 0) {
        target = static_cast<std::int32_t>(trie.states_.size());
        auto& edges = trie.states_[state].edges;
        const auto place = std::find_if(edges.begin(), edges.end(), [&](const Edge& edge) {
          return edge.range.first > character;
        });
        edges.insert(place, {{character, character}, target});
        trie.states_.emplace_back();
        check_states(trie.states_.size());
      }
      state = static_cast<std::size_t>(target);
    }
    trie.states_[state].accepts = true;
  }
  return trie.reduced();
}

Automaton Automaton::length(std::uint64_t least, std::optional<std::uint64_t> most) {
  const std::uint64_t last = most ? *most : least;
  check_states(last);
  if (most && *most < least) return {};
  std::vector<State> states(last + 1);
  for (std::uint64_t i = 0; i <= last; ++i) {
    states[i].accepts = i >= least;
    const std::uint64_t next = i < last ? i + 1 : i;
    if (i == last && most) break;
    for (const CharRange& range : CharSet::all().ranges())
      states[i].edges.push_back({range, static_cast<std::int32_t>(next)});
  }
  return Automaton(std::move(states));
}

bool Automaton::accepts(std::u32string_view text) const {
  std::int32_t state = 0;
  for (const char32_t character : text) {
    state = next_state(states_[static_cast<std::size_t>(state)], character);
    if (state < 0) return false;
  }
  return states_[static_cast<std::size_t>(state)].accepts;
}

bool Automaton::is_empty() const {
  const Automaton useful = trimmed();
  return !useful.states_.front().accepts && useful.states_.front().edges.empty();
}

Automaton Automaton::complement() const {
  // Everything, less this.
  return product(everything().states_, states_, true,
                 [](bool whole, bool mine) { return whole && !mine; })
      .reduced();
}

Automaton intersection(const Automaton& a, const Automaton& b) {
  return product(a.states_, b.states_, false, [](bool x, bool y) { return x && y; }).reduced();
}

Automaton united(const Automaton& a, const Automaton& b) {
  return product(a.states_, b.states_, true, [](bool x, bool y) { return x || y; }).reduced();
}

Automaton Automaton::trimmed() const {
  const std::size_t count = states_.size();
  std::vector<std::vector<std::size_t>> sources(count);
  for (std::size_t i = 0; i < count; ++i)
    for (const Edge& edge : states_[i].edges)
      sources[static_cast<std::size_t>(edge.target)].push_back(i);
  std::vector<bool> is_alive(count);
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < count; ++i) {
    if (!states_[i].accepts) continue;
    is_alive[i] = true;
    open.push_back(i);
  }
  while (!open.empty()) {
    const std::size_t state = open.back();
    open.pop_back();
    for (const std::size_t source : sources[state]) {
      if (is_alive[source]) continue;
      is_alive[source] = true;
      open.push_back(source);
    }
  }
  std::vector<std::int32_t> ids(count, -1);
  std::vector<std::size_t> order{0};
  ids[0] = 0;
  std::vector<State> kept;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const State& state = states_[order[i]];
    kept.push_back({state.accepts, {}});
    for (const Edge& edge : state.edges) {
      const auto target = static_cast<std::size_t>(edge.target);
      if (!is_alive[target]) continue;
      if (ids[target] < 0) {
        ids[target] = static_cast<std::int32_t>(order.size());
        order.push_back(target);
      }
      append_edge(kept.back().edges, {edge.range, ids[target]});
    }
  }
  return Automaton(std::move(kept));
}

// Moore's refinement: states are alike until a round tells them apart.
Automaton Automaton::reduced() const {
  const Automaton useful = trimmed();
  const std::vector<State>& states = useful.states_;
  std::vector<std::int32_t> group(states.size());
  for (std::size_t i = 0; i < states.size(); ++i) group[i] = states[i].accepts;
  std::size_t groups = 0;
  const auto merged_edges = [&](const State& state) {
    std::vector<Edge> edges;
    for (const Edge& edge : state.edges)
      append_edge(edges, {edge.range, group[static_cast<std::size_t>(edge.target)]});
    return edges;
  };
  using Signature = std::vector<char32_t>;
  for (std::size_t round = 0;; ++round) {
    if (round == kMaxRounds) return useful;
    std::map<Signature, std::int32_t> seen;
    std::vector<std::int32_t> refined(states.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      Signature signature{static_cast<char32_t>(group[i])};
      for (const Edge& edge : merged_edges(states[i])) {
        signature.push_back(edge.range.first);
        signature.push_back(edge.range.last);
        signature.push_back(static_cast<char32_t>(edge.target));
      }
      refined[i] =
          seen.emplace(std::move(signature), static_cast<std::int32_t>(seen.size())).first->second;
    }
    group = std::move(refined);
    if (seen.size() == groups) break;
    groups = seen.size();
  }
  // State 0 is met first in every round, so its group is 0.
  std::vector<State> smallest(groups);
  for (std::size_t i = 0; i < states.size(); ++i) {
    State& state = smallest[static_cast<std::size_t>(group[i])];
    state.accepts = states[i].accepts;
    state.edges = merged_edges(states[i]);
  }
  return Automaton(std::move(smallest));
}

}  // namespace gpumodel::engine::text::grammar

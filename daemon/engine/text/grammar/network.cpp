#include "engine/text/grammar/network.hpp"

#include <algorithm>
#include <map>

#include "engine/text/grammar/refusal.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

using Edge = Automaton::Edge;

// Network states visited while one network is made deterministic: about a second.
constexpr std::size_t kMaxVisits = 20'000'000;

}  // namespace

Network::StateId Network::add_state() {
  if (states_.size() >= 8 * kMaxStates)
    throw Refusal(Refusal::Kind::too_large, "a pattern needs too many states");
  states_.emplace_back();
  return static_cast<StateId>(states_.size() - 1);
}

void Network::connect(StateId from, StateId to) {
  states_[static_cast<std::size_t>(from)].silent.push_back(to);
}

void Network::connect(StateId from, StateId to, const CharSet& reads) {
  states_[static_cast<std::size_t>(from)].reading.emplace_back(reads, to);
}

std::vector<Network::StateId> Network::closure(std::vector<StateId> open) const {
  std::vector<StateId> reached;
  std::vector<bool> seen(states_.size());
  while (!open.empty()) {
    const StateId state = open.back();
    open.pop_back();
    if (seen[static_cast<std::size_t>(state)]) continue;
    seen[static_cast<std::size_t>(state)] = true;
    reached.push_back(state);
    const auto& silent = states_[static_cast<std::size_t>(state)].silent;
    open.insert(open.end(), silent.begin(), silent.end());
  }
  std::sort(reached.begin(), reached.end());
  return reached;
}

// Characters that every reading of a network takes or leaves together are one symbol: classes of
// Unicode have hundreds of ranges, and an expression tells a few symbols apart.
class Network::Alphabet {
 public:
  explicit Alphabet(const std::vector<State>& states) {
    for (const State& state : states) {
      auto& readings = readings_.emplace_back();
      for (const auto& [reads, target] : state.reading)
        readings.emplace_back(number_of(reads), target);
    }
    find_symbols();
  }

  // Where each symbol leads from these states, before closure().
  std::vector<std::vector<StateId>> targets(const std::vector<StateId>& states) const {
    std::vector<std::vector<StateId>> reached(symbols_);
    for (const StateId state : states)
      for (const auto& [set, target] : readings_[static_cast<std::size_t>(state)])
        for (const std::size_t symbol : of_set_[set]) reached[symbol].push_back(target);
    for (std::vector<StateId>& targets : reached) {
      std::sort(targets.begin(), targets.end());
      targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    }
    return reached;
  }

  // All characters that are read, in order, with their symbols.
  struct Interval {
    CharRange range;
    std::size_t symbol;
  };
  const std::vector<Interval>& intervals() const { return intervals_; }

 private:
  std::size_t number_of(const CharSet& reads) {
    std::vector<std::pair<char32_t, char32_t>> key;
    for (const CharRange& range : reads.ranges()) key.emplace_back(range.first, range.last);
    return numbers_.emplace(std::move(key), numbers_.size()).first->second;
  }

  void find_symbols() {
    std::map<char32_t, std::vector<std::pair<std::size_t, bool>>> changes;
    for (const auto& [ranges, set] : numbers_)
      for (const auto& [first, last] : ranges) {
        changes[first].emplace_back(set, true);
        changes[last + 1].emplace_back(set, false);
      }
    of_set_.resize(numbers_.size());
    std::map<std::vector<bool>, std::size_t> known;
    std::vector<bool> read_by(numbers_.size());
    for (auto change = changes.begin(); change != changes.end(); ++change) {
      // One that ends and begins anew at the same place goes on.
      for (const auto& [set, begins] : change->second)
        if (!begins) read_by[set] = false;
      for (const auto& [set, begins] : change->second)
        if (begins) read_by[set] = true;
      if (std::find(read_by.begin(), read_by.end(), true) == read_by.end()) continue;
      const auto [place, is_new] = known.emplace(read_by, known.size());
      for (std::size_t set = 0; is_new && set < read_by.size(); ++set)
        if (read_by[set]) of_set_[set].push_back(place->second);
      intervals_.push_back({{change->first, std::next(change)->first - 1}, place->second});
    }
    symbols_ = known.size();
  }

  std::map<std::vector<std::pair<char32_t, char32_t>>, std::size_t> numbers_;  // of distinct sets
  std::vector<std::vector<std::pair<std::size_t, StateId>>> readings_;         // by state
  std::vector<std::vector<std::size_t>> of_set_;                               // symbols
  std::vector<Interval> intervals_;
  std::size_t symbols_ = 0;
};

Automaton Network::determined(StateId first, StateId last) const {
  std::map<std::vector<StateId>, std::int32_t> ids;
  std::vector<std::vector<StateId>> sets;
  const auto id_of = [&](std::vector<StateId> set) {
    const auto [place, is_new] = ids.emplace(set, static_cast<std::int32_t>(sets.size()));
    if (is_new) sets.push_back(std::move(set));
    check_states(sets.size());
    return place->second;
  };
  std::map<std::vector<StateId>, std::int32_t> closed;  // by where symbols lead, before closure()
  std::size_t visits = 0;
  const auto after = [&](const std::vector<StateId>& set, char32_t mark) {
    std::vector<StateId> reached;
    for (const StateId state : set)
      for (const auto& [reads, target] : states_[static_cast<std::size_t>(state)].reading)
        if (reads.contains(mark)) reached.push_back(target);
    return closure(std::move(reached));
  };
  const auto state_after = [&](std::vector<StateId> reached) {
    if (reached.empty()) return -1;
    const auto [known, is_new] = closed.try_emplace(std::move(reached), -1);
    if (is_new) {
      std::vector<StateId> all = closure(known->first);
      visits += all.size() + states_.size() / 64;
      known->second = id_of(std::move(all));
    }
    return known->second;
  };
  const Alphabet alphabet(states_);
  id_of(after(closure({first}), kBegin));
  std::vector<Automaton::State> states;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    Automaton::State state;
    const std::vector<StateId> ended = after(sets[i], kEnd);
    state.accepts = std::binary_search(ended.begin(), ended.end(), last);
    std::vector<std::int32_t> by_symbol;
    for (std::vector<StateId>& targets : alphabet.targets(sets[i])) {
      visits += targets.size();
      by_symbol.push_back(state_after(std::move(targets)));
    }
    visits += alphabet.intervals().size();
    for (const auto& [range, symbol] : alphabet.intervals())
      if (by_symbol[symbol] >= 0 && range.first <= kLastCharacter)
        append_edge(state.edges,
                    {{range.first, std::min(range.last, kLastCharacter)}, by_symbol[symbol]});
    if (visits > kMaxVisits)
      throw Refusal(Refusal::Kind::too_large, "a pattern takes too long to compile");
    states.push_back(std::move(state));
  }
  return Automaton(std::move(states)).reduced();
}

}  // namespace gpumodel::engine::text::grammar

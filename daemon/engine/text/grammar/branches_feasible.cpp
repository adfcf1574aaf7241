// Whether anything fits a branch, and whether a given value does.
#include <algorithm>
#include <utility>

#include "engine/text/grammar/branches.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

bool is_within(const Decimal& value, const NumberFacts& facts) {
  const auto obeys = [&](const Bound& bound, int direction) {
    const int order = compare(value, bound.value) * direction;
    return order > 0 || (order == 0 && !bound.is_exclusive);
  };
  return (!facts.lower || obeys(*facts.lower, 1)) && (!facts.upper || obeys(*facts.upper, -1));
}

}  // namespace

Branches Expander::feasible(Branches branches) {
  std::erase_if(branches, [&](Branch& branch) { return !is_feasible(branch); });
  return branches;
}

bool Expander::is_feasible(Branch& branch) {
  if (branch.values) {
    std::erase_if(*branch.values,
                  [&](const ordered_json* value) { return (kind_of(*value) & branch.kinds) == 0; });
    return !branch.values->empty();
  }
  const NumberFacts& number = branch.number;
  if (number.lower && number.upper) {
    const int order = compare(number.lower->value, number.upper->value);
    const bool has_exclusive = number.lower->is_exclusive || number.upper->is_exclusive;
    if (order > 0 || (order == 0 && has_exclusive)) branch.kinds &= ~kNumber;
    if (order == 0) branch.kinds &= number.lower->value.is_integer() ? ~kFraction : ~kInteger;
  }
  const StringFacts& string = branch.string;
  if (branch.kinds & kString) {
    const bool is_empty = (string.most && *string.most < string.least) ||
                          (string.has_languages() && language(string).is_empty());
    if (is_empty) branch.kinds &= ~kString;
  }
  if ((branch.kinds & kArray) && !is_feasible_array(branch)) branch.kinds &= ~kArray;
  if ((branch.kinds & kObject) && !is_feasible_object(branch)) branch.kinds &= ~kObject;
  return branch.kinds != 0;
}

bool Expander::may_obey(const Goals& goals) {
  return expanding_.contains(goals) || !expand(goals).empty();
}

bool Expander::is_feasible_array(const Branch& branch) {
  const ArrayFacts& array = branch.array;
  if (array.most && *array.most < array.least) return false;
  const std::uint64_t places = std::min(array.least, array.distinct_places() + 1);
  for (std::uint64_t i = 0; i < places; ++i)
    if (!may_obey(array.goals_at(i))) return false;
  return true;
}

bool Expander::is_feasible_object(const Branch& branch) {
  const ObjectFacts& object = branch.object;
  if (object.most && *object.most < std::max<std::uint64_t>(object.least, object.required.size()))
    return false;
  return std::all_of(object.required.begin(), object.required.end(), [&](const std::string& key) {
    const std::optional<Goals> goals = goals_of(key, object);
    return goals && may_obey(*goals);
  });
}

std::optional<Goals> Expander::goals_of(const std::string& key, const ObjectFacts& object) {
  if (object.forbidden.contains(key)) return std::nullopt;
  const std::u32string characters = characters_of(key);
  Goals goals;
  for (const ObjectFacts::Layer& layer : object.layers) {
    bool is_named = layer.properties != nullptr && layer.properties->contains(key);
    if (is_named) goals.insert({&document_.at(layer.properties->at(key))});
    for (const ObjectFacts::Pattern& pattern : layer.patterns) {
      const bool matches = pattern.certain->accepts(characters);
      if (matches != pattern.possible->accepts(characters)) return std::nullopt;
      if (!matches) continue;
      is_named = true;
      goals.insert({pattern.schema});
    }
    if (!is_named && layer.additional != nullptr) goals.insert({layer.additional});
  }
  for (const auto& [name, goal] : object.properties)
    if (name == key) goals.insert(goal);
  if (!object.names.empty() && !obeys(ordered_json(key), object.names)) return std::nullopt;
  return goals;
}

Automaton Expander::language(const StringFacts& facts) const {
  Automaton all = facts.least == 0 && !facts.most ? Automaton::everything()
                                                  : Automaton::length(facts.least, facts.most);
  for (const auto& one : facts.languages) all = intersection(all, *one);
  return all;
}

Automaton Expander::language(const Goals& goals) {
  Automaton all;
  for (const Branch& branch : expand(goals)) {
    if (branch.values) {
      std::vector<std::u32string> texts;
      for (const ordered_json* value : *branch.values)
        if (value->is_string() && fits(*value, branch))
          texts.push_back(characters_of(value->get<std::string>()));
      all = united(all, Automaton::any_of(texts));
    } else if (branch.kinds & kString) {
      all = united(all, language(branch.string));
    }
  }
  return all;
}

bool Expander::obeys(const ordered_json& value, const Goals& goals) {
  const Branches& branches = expand(goals);
  return std::any_of(branches.begin(), branches.end(),
                     [&](const Branch& branch) { return fits(value, branch); });
}

bool Expander::fits(const ordered_json& value, const Branch& branch) {
  const unsigned kind = kind_of(value);
  if ((kind & branch.kinds) == 0) return false;
  if (branch.values && std::none_of(branch.values->begin(), branch.values->end(),
                                    [&](const auto* other) { return is_same(value, *other); }))
    return false;
  if (kind & kNumber) {
    const Decimal number = *Decimal::from(value);
    const auto divides = [&](std::int64_t divisor) {
      std::int64_t rest = 0;
      for (const char digit : number.whole) rest = (rest * 10 + (digit - '0')) % divisor;
      return number.is_integer() && rest == 0;
    };
    const auto& [lower, upper, multiples, others, excluded] = branch.number;
    return is_within(number, branch.number) &&
           std::all_of(multiples.begin(), multiples.end(), divides) &&
           std::none_of(others.begin(), others.end(), divides) &&
           std::find(excluded.begin(), excluded.end(), number) == excluded.end();
  }
  if (kind == kString) {
    const std::u32string text = characters_of(value.get<std::string>());
    const StringFacts& facts = branch.string;
    return text.size() >= facts.least && (!facts.most || text.size() <= *facts.most) &&
           std::all_of(facts.languages.begin(), facts.languages.end(),
                       [&](const auto& language) { return language->accepts(text); });
  }
  if (kind == kArray) return fits_array(value, branch.array);
  return kind != kObject || fits_object(value, branch.object);
}

bool Expander::fits_array(const ordered_json& value, const ArrayFacts& facts) {
  if (value.size() < facts.least || (facts.most && value.size() > *facts.most)) return false;
  for (std::size_t i = 0; i < value.size(); ++i)
    if (!obeys(value[i], facts.goals_at(i))) return false;
  if (facts.unique != nullptr)
    for (std::size_t i = 0; i < value.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (is_same(value[i], value[j])) return false;
  return std::all_of(facts.contains.begin(), facts.contains.end(), [&](const Contains& contains) {
    std::uint64_t count = 0;
    for (std::size_t i = contains.from; i < value.size(); ++i)
      count += obeys(value[i], {contains.goal}) ? 1 : 0;
    return count >= contains.least && (!contains.most || count <= *contains.most);
  });
}

bool Expander::fits_object(const ordered_json& value, const ObjectFacts& facts) {
  if (value.size() < facts.least || (facts.most && value.size() > *facts.most)) return false;
  for (const std::string& key : facts.required)
    if (!value.contains(key)) return false;
  return std::all_of(value.items().begin(), value.items().end(), [&](const auto& item) {
    const std::optional<Goals> goals = goals_of(item.key(), facts);
    return goals && obeys(item.value(), *goals);
  });
}

}  // namespace gpumodel::engine::text::grammar

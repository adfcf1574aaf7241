#include "engine/text/grammar/array_rules.hpp"

#include <algorithm>

namespace gpumodel::engine::text::grammar {
namespace {

// Longer ones are plain repetitions, where nothing but the number of items is to be minded.
constexpr std::uint64_t kMaxPlaces = 64;
constexpr std::size_t kMaxContains = 3;
constexpr std::uint64_t kMaxCounted = 512;

}  // namespace

ArrayRules::ArrayRules(SchemaRules& schema, const ArrayFacts& facts)
    : schema_(schema), rules_(schema.rules_), facts_(facts) {
  distinct_items_ = std::max(facts_.distinct_places(), facts_.least);
  if (facts_.most) distinct_items_ = std::max(distinct_items_, *facts_.most);
  for (const Contains& contains : facts_.contains)
    distinct_items_ = std::max(distinct_items_, contains.from);
  if (facts_.unique != nullptr && facts_.most.value_or(2) > 1)
    refuse(Refusal::Kind::unsupported,
           "is supported only where there can be no second item (maxItems 1)", *facts_.unique,
           "uniqueItems");
  if (facts_.contains.size() > kMaxContains)
    throw Refusal(Refusal::Kind::too_large, "contains: more than 3 that count for one array");
}

Rules::Expression ArrayRules::whole() {
  if (facts_.contains.empty() && distinct_items_ > kMaxPlaces) return many();
  if (distinct_items_ > kMaxCounted)
    throw Refusal(Refusal::Kind::too_large,
                  "minItems, maxItems or contains: counts to more than 512");
  const Place begin{0, std::vector<std::uint64_t>(facts_.contains.size())};
  return rules_.sequence({rules_.text("["), rules_.reference(rest(begin))});
}

Rules::Rule ArrayRules::rest(const Place& place) {
  const auto [known, is_new] = known_.emplace(place, 0);
  if (!is_new) return known->second;
  const Rules::Rule rule = rules_.declare();
  known->second = rule;
  rules_.define(rule, written(place));
  return rule;
}

bool ArrayRules::may_end(const Place& place) const {
  if (place.items < facts_.least) return false;
  for (std::size_t i = 0; i < facts_.contains.size(); ++i)
    if (place.counts[i] < facts_.contains[i].least) return false;
  return true;
}

Rules::Expression ArrayRules::written(const Place& place) {
  std::vector<Rules::Expression> ways;
  if (may_end(place)) ways.push_back(rules_.text("]"));
  if (!facts_.most || place.items < *facts_.most) {
    for (unsigned counted = 0; counted < 1u << facts_.contains.size(); ++counted) {
      const std::optional<Rules::Expression> next = item(place, counted);
      if (!next) continue;
      std::vector<Rules::Expression> parts;
      if (place.items > 0) parts.push_back(schema_.comma());
      parts.push_back(*next);
      parts.push_back(rules_.reference(rest(after(place, counted))));
      ways.push_back(rules_.sequence(std::move(parts)));
    }
  }
  return rules_.choice(std::move(ways));
}

std::optional<Rules::Expression> ArrayRules::item(const Place& place, unsigned counted) {
  Goals goals = facts_.goals_at(place.items);
  for (std::size_t i = 0; i < facts_.contains.size(); ++i) {
    const Contains& contains = facts_.contains[i];
    const bool counts = (counted >> i & 1u) != 0;
    const bool is_too_early = place.items < contains.from;
    if (counts && (is_too_early || place.counts[i] >= contains.most.value_or(contains.least)))
      return std::nullopt;
    if (counts) {
      goals.insert(contains.goal);
    } else if (contains.most && !is_too_early) {
      goals.insert({contains.goal.schema, !contains.goal.is_negated});
    }
  }
  return rules_.reference(schema_.value(goals));
}

ArrayRules::Place ArrayRules::after(const Place& place, unsigned counted) const {
  Place next = place;
  next.items = std::min(place.items + 1, std::max<std::uint64_t>(distinct_items_, 1));
  for (std::size_t i = 0; i < next.counts.size(); ++i) next.counts[i] += counted >> i & 1u;
  return next;
}

// Places with their own goals one by one, then a counted repetition.
Rules::Expression ArrayRules::many() {
  const std::uint64_t places = std::max<std::uint64_t>(facts_.distinct_places(), 1);
  const auto item_at = [&](std::uint64_t index) {
    return rules_.reference(schema_.value(facts_.goals_at(index)));
  };
  const auto reduced = [&](std::uint64_t count) { return count > places ? count - places : 0; };
  std::optional<std::uint64_t> most;
  if (facts_.most) most = reduced(*facts_.most);
  const std::uint64_t last = std::min(places, facts_.most.value_or(places));
  // From the last place to the first: what may follow there.
  Rules::Expression follows = rules_.text("");
  if (last == places)
    follows = rules_.repeat(rules_.sequence({schema_.comma(), item_at(places)}),
                            reduced(facts_.least), most);
  for (std::uint64_t index = last; index-- > 0;) {
    std::vector<Rules::Expression> parts;
    if (index > 0) parts.push_back(schema_.comma());
    parts.push_back(item_at(index));
    parts.push_back(follows);
    const Rules::Expression taken = rules_.reference(rules_.add(rules_.sequence(std::move(parts))));
    follows = index < facts_.least ? taken : rules_.choice({rules_.text(""), taken});
  }
  return rules_.sequence({rules_.text("["), follows, rules_.text("]")});
}

}  // namespace gpumodel::engine::text::grammar

#include "engine/text/grammar/object_rules.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::engine::text::grammar {
namespace {

constexpr std::size_t kMaxOthers = 32;
constexpr std::uint64_t kMaxCounted = 512;

}  // namespace

ObjectRules::ObjectRules(SchemaRules& schema, const ObjectFacts& facts)
    : schema_(schema), rules_(schema.rules_), facts_(facts) {
  if (facts_.least <= facts_.required.size()) facts_.least = 0;
  if (std::max(facts_.least, facts_.most.value_or(0)) > kMaxCounted)
    throw Refusal(Refusal::Kind::too_large,
                  "minProperties or maxProperties: counts to more than 512");
  find_members();
  find_others();
  // Others may repeat a key, so that two of them are only known to be one.
  if (!others_.empty() && facts_.least > facts_.required.size() + 1) {
    const std::string what =
        "is not supported where keys must be there that no schema names; name them in properties";
    if (facts_.counted != nullptr)
      refuse(Refusal::Kind::unsupported, what, *facts_.counted, "minProperties");
    throw Refusal(Refusal::Kind::unsupported, "minProperties: " + what);
  }
}

void ObjectRules::find_members() {
  std::vector<std::string> keys;
  for (const ObjectFacts::Layer& layer : facts_.layers)
    if (layer.properties != nullptr)
      for (const auto& [key, value] : layer.properties->items()) keys.push_back(key);
  for (const auto& [key, goal] : facts_.properties) keys.push_back(key);
  keys.insert(keys.end(), facts_.required.begin(), facts_.required.end());
  for (const std::string& key : keys) {
    if (std::find(named_.begin(), named_.end(), key) != named_.end()) continue;
    named_.push_back(key);
    const bool is_required = facts_.requires_key(key);
    const std::optional<Goals> goals = schema_.expander_.goals_of(key, facts_);
    if (goals) {
      members_.push_back({member(rules_.text(json_string(key)), *goals), is_required});
    } else if (is_required) {
      is_impossible_ = true;
    }
  }
  named_.insert(named_.end(), facts_.forbidden.begin(), facts_.forbidden.end());
}

Rules::Expression ObjectRules::member(Rules::Expression key, const Goals& goals) {
  return rules_.sequence({key, rules_.text(":"), rules_.repeat(rules_.text(" "), 0, 1),
                          rules_.reference(schema_.value(goals))});
}

void ObjectRules::find_others() {
  std::vector<std::u32string> names;
  for (const std::string& name : named_) names.push_back(characters_of(name));
  bool is_any = names.empty() && facts_.names.empty();
  Automaton keys = names.empty() ? Automaton::everything() : Automaton::any_of(names).complement();
  if (!facts_.names.empty()) keys = intersection(keys, schema_.expander_.language(facts_.names));
  std::vector<Others> classes{{std::move(keys), {}}};
  for (const ObjectFacts::Layer& layer : facts_.layers) {
    for (Others& one : classes) one.matches.emplace_back();
    for (const ObjectFacts::Pattern& pattern : layer.patterns) {
      is_any = false;
      const Automaton others = pattern.possible->complement();
      std::vector<Others> split;
      for (Others& one : classes) {
        Others matching{intersection(one.keys, *pattern.certain), one.matches};
        matching.matches.back().push_back(true);
        if (!matching.keys.is_empty()) split.push_back(std::move(matching));
        one.keys = intersection(one.keys, others);
        one.matches.back().push_back(false);
        if (!one.keys.is_empty()) split.push_back(std::move(one));
      }
      classes = std::move(split);
      if (classes.size() > kMaxOthers)
        throw Refusal(Refusal::Kind::too_large,
                      "patternProperties: the patterns overlap in more than 32 ways");
    }
  }
  for (const Others& one : classes) {
    if (one.keys.is_empty()) continue;
    const Goals goals = goals_of(one);
    if (schema_.expander_.expand(goals).empty()) continue;
    others_.push_back(member(
        is_any ? schema_.texts_.any_json_string() : schema_.texts_.json_strings(one.keys), goals));
  }
}

Goals ObjectRules::goals_of(const Others& others) const {
  Goals goals;
  for (std::size_t i = 0; i < facts_.layers.size(); ++i) {
    const ObjectFacts::Layer& layer = facts_.layers[i];
    bool is_matched = false;
    for (std::size_t j = 0; j < layer.patterns.size(); ++j) {
      if (!others.matches[i][j]) continue;
      is_matched = true;
      goals.insert({layer.patterns[j].schema});
    }
    if (!is_matched && layer.additional != nullptr) goals.insert({layer.additional});
  }
  return goals;
}

Rules::Expression ObjectRules::whole() {
  if (is_impossible_) return rules_.nothing();
  return rules_.sequence({rules_.text("{"), rules_.reference(rest(0, 0, 0))});
}

Rules::Rule ObjectRules::rest(std::size_t next, std::uint64_t named, std::uint64_t others) {
  // Whether there is a member matters for the comma; more only where they are counted.
  const std::uint64_t enough = facts_.most.value_or(std::max<std::uint64_t>(facts_.least, 1));
  named = std::min(named, std::max<std::uint64_t>(enough, 1));
  others = std::min(others, facts_.most ? enough : 1);
  const auto [known, is_new] = known_.emplace(std::pair{next, std::pair{named, others}}, 0);
  if (!is_new) return known->second;
  const Rules::Rule rule = rules_.declare();
  known->second = rule;
  rules_.define(
      rule, next < members_.size() ? written(next, named, others) : written_others(named, others));
  return rule;
}

Rules::Expression ObjectRules::written(std::size_t next, std::uint64_t named,
                                       std::uint64_t others) {
  std::vector<Rules::Expression> ways;
  const Member& member = members_[next];
  if (!facts_.most || named < *facts_.most) {
    std::vector<Rules::Expression> parts;
    if (named > 0) parts.push_back(schema_.comma());
    parts.push_back(member.text);
    parts.push_back(rules_.reference(rest(next + 1, named + 1, others)));
    ways.push_back(rules_.sequence(std::move(parts)));
  }
  if (!member.is_required) ways.push_back(rules_.reference(rest(next + 1, named, others)));
  return rules_.choice(std::move(ways));
}

Rules::Expression ObjectRules::written_others(std::uint64_t named, std::uint64_t others) {
  std::vector<Rules::Expression> ways;
  if (named + std::min<std::uint64_t>(others, 1) >= facts_.least) ways.push_back(rules_.text("}"));
  if (!facts_.most || named + others < *facts_.most) {
    for (const Rules::Expression other : others_) {
      std::vector<Rules::Expression> parts;
      if (named + others > 0) parts.push_back(schema_.comma());
      parts.push_back(other);
      parts.push_back(rules_.reference(rest(members_.size(), named, others + 1)));
      ways.push_back(rules_.sequence(std::move(parts)));
    }
  }
  return rules_.choice(std::move(ways));
}

}  // namespace gpumodel::engine::text::grammar

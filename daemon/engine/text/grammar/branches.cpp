#include "engine/text/grammar/branches.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::engine::text::grammar {
namespace {

constexpr std::size_t kMaxWork = 200'000;  // branches made for one schema
constexpr std::size_t kMaxAutomatonStates = 200'000;

// Splits off the branches' part of other kinds, which `change` leaves as it is.
template <class Change>
Branches change_kind(const Branches& branches, unsigned kinds, Change change) {
  Branches out;
  for (const Branch& branch : branches) {
    if ((branch.kinds & ~kinds) != 0) {
      out.push_back(branch);
      out.back().kinds &= ~kinds;
    }
    if ((branch.kinds & kinds) == 0) continue;
    Branch part = branch;
    part.kinds &= kinds;
    append(out, change(std::move(part)));
  }
  return out;
}

}  // namespace

void append(Branches& to, Branches more) {
  if (to.size() + more.size() > kMaxBranches)
    throw Refusal(Refusal::Kind::too_large, "its alternatives combine in more than " +
                                                std::to_string(kMaxBranches) + " ways");
  std::move(more.begin(), more.end(), std::back_inserter(to));
}

const Branches& Expander::expand(const Goals& goals) {
  const auto known = expanded_.find(goals);
  if (known != expanded_.end()) return *known->second;
  Branches branches(1);
  std::vector<Goal> outer;
  outer.swap(open_);
  expanding_.insert(goals);
  for (const Goal& goal : goals) branches = apply(std::move(branches), goal);
  branches = feasible(std::move(branches));
  expanding_.erase(goals);
  outer.swap(open_);
  return *(expanded_[goals] = std::make_unique<Branches>(std::move(branches)));
}

Branches Expander::apply(Branches branches, const Goal& goal) {
  if (std::find(open_.begin(), open_.end(), goal) != open_.end())
    throw Refusal(Refusal::Kind::malformed,
                  "$ref: the schema refers to itself without end (" + goal.schema->pointer + ")");
  if (branches.empty()) return branches;
  work_ += branches.size();
  if (work_ > kMaxWork) throw Refusal(Refusal::Kind::too_large, "its alternatives are too many");
  const Schema& schema = *goal.schema;
  if (schema.value->is_boolean())
    return schema.value->get<bool>() != goal.is_negated ? branches : Branches();
  open_.push_back(goal);
  branches =
      goal.is_negated ? apply_negated(branches, schema) : apply_schema(std::move(branches), schema);
  open_.pop_back();
  return branches;
}

Branches Expander::apply_schema(Branches branches, const Schema& schema) {
  if (schema.has("$ref")) {
    branches = apply(std::move(branches), {&document_.resolve(schema)});
    if (document_.dialect() == Dialect::draft7) return branches;
  }
  if (schema.has("$dynamicRef") && document_.dialect() != Dialect::draft7)
    refuse(Refusal::Kind::unsupported, "is not supported; use $ref", schema, "$dynamicRef");
  branches = apply_value(std::move(branches), schema);
  branches = apply_number(std::move(branches), schema);
  branches = apply_string(std::move(branches), schema);
  branches = apply_array(std::move(branches), schema);
  branches = apply_object(std::move(branches), schema);
  branches = apply_dependencies(std::move(branches), schema);
  return apply_combination(std::move(branches), schema);
}

Branches Expander::apply_value(Branches branches, const Schema& schema) {
  if (schema.has("type"))
    for (Branch& branch : branches) branch.kinds &= kinds_named(schema.at("type"));
  const auto keep = [&](const std::vector<const ordered_json*>& wanted) {
    for (Branch& branch : branches) {
      if (!branch.values) {
        branch.values = wanted;
        continue;
      }
      std::erase_if(*branch.values, [&](const ordered_json* value) {
        return std::none_of(wanted.begin(), wanted.end(),
                            [&](const auto* other) { return is_same(*value, *other); });
      });
    }
  };
  if (schema.has("const")) keep({&schema.at("const")});
  if (schema.has("enum")) {
    std::vector<const ordered_json*> wanted;
    for (const ordered_json& value : schema.at("enum")) wanted.push_back(&value);
    keep(wanted);
  }
  std::erase_if(branches, [](const Branch& branch) { return branch.kinds == 0; });
  return branches;
}

Branches Expander::apply_number(Branches branches, const Schema& schema) {
  const auto bound = [&](const char* keyword, bool is_exclusive) {
    return Bound{decimal_of(schema, keyword), is_exclusive};
  };
  for (Branch& branch : branches) {
    if (schema.has("minimum")) branch.number.raise_lower(bound("minimum", false));
    if (schema.has("exclusiveMinimum")) branch.number.raise_lower(bound("exclusiveMinimum", true));
    if (schema.has("maximum")) branch.number.cut_upper(bound("maximum", false));
    if (schema.has("exclusiveMaximum")) branch.number.cut_upper(bound("exclusiveMaximum", true));
    if (!schema.has("multipleOf") || (branch.kinds & kNumber) == 0) continue;
    const Decimal divisor = decimal_of(schema, "multipleOf");
    if (!divisor.is_integer() || divisor.whole.size() > 6)
      refuse(Refusal::Kind::unsupported,
             "whole numbers of at most 6 digits are supported; programs disagree about the rest",
             schema, "multipleOf");
    branch.number.multiples_of.push_back(std::stoll(divisor.whole));
    if ((branch.kinds & kFraction) == 0) continue;
    branch.kinds &= ~kFraction;
  }
  return branches;
}

Branches Expander::apply_string(Branches branches, const Schema& schema) {
  for (Branch& branch : branches) {
    StringFacts& facts = branch.string;
    for (const char* keyword : {"minLength", "maxLength"})
      if ((branch.kinds & kString) && schema.has(keyword) &&
          count_of(schema, keyword) >= kMaxStates)
        refuse(Refusal::Kind::too_large,
               "at most " + std::to_string(kMaxStates - 1) + " characters can be counted", schema,
               keyword);
    if (schema.has("minLength")) facts.least = std::max(facts.least, count_of(schema, "minLength"));
    if (schema.has("maxLength")) {
      const std::uint64_t most = count_of(schema, "maxLength");
      facts.most = std::min(facts.most.value_or(most), most);
    }
    if ((branch.kinds & kString) == 0) continue;
    refuse_content(schema);
    if (schema.has("pattern"))
      facts.languages.push_back(pattern(schema.at("pattern"), Reading::certain, schema, "pattern"));
    if (!schema.has("format")) continue;
    const std::string name = schema.at("format");
    if (format_kind(name) == FormatKind::refused)
      refuse(Refusal::Kind::unsupported, "\"" + name + "\" is not supported", schema, "format");
    if (format_kind(name) == FormatKind::honoured)
      facts.languages.push_back(std::make_shared<Automaton>(format_language(name)));
  }
  return branches;
}

// In 2020-12 they say nothing that could be disobeyed.
void Expander::refuse_content(const Schema& schema) const {
  if (document_.dialect() != Dialect::draft7) return;
  for (const char* keyword : {"contentEncoding", "contentMediaType"})
    if (schema.has(keyword))
      refuse(Refusal::Kind::unsupported, "is not supported in draft 7, where it may be obeyed",
             schema, keyword);
}

ArrayFacts::Layer Expander::array_layer(const Schema& schema) {
  ArrayFacts::Layer layer;
  const bool is_draft7 = document_.dialect() == Dialect::draft7;
  const auto take_prefix = [&](const ordered_json& schemas) {
    for (const ordered_json& one : schemas) layer.prefix.push_back(&document_.at(one));
  };
  if (is_draft7 && schema.has("items") && schema.at("items").is_array()) {
    take_prefix(schema.at("items"));
    if (schema.has("additionalItems")) layer.rest = &inside(schema, "additionalItems");
    return layer;
  }
  if (!is_draft7 && schema.has("prefixItems")) take_prefix(schema.at("prefixItems"));
  if (schema.has("items")) layer.rest = &inside(schema, "items");
  if (is_draft7 || !schema.has("unevaluatedItems") || schema.has("items")) return layer;
  const Schema& unevaluated = inside(schema, "unevaluatedItems");
  if (*unevaluated.value == true) return layer;
  for (const char* other : {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "contains"})
    if (schema.has(other))
      refuse(Refusal::Kind::unsupported, std::string("is not supported beside ") + other, schema,
             "unevaluatedItems");
  layer.rest = &unevaluated;
  return layer;
}

Branches Expander::apply_array(Branches branches, const Schema& schema) {
  const ArrayFacts::Layer layer = array_layer(schema);
  const bool is_draft7 = document_.dialect() == Dialect::draft7;
  for (Branch& branch : branches) {
    ArrayFacts& facts = branch.array;
    if (!layer.prefix.empty() || layer.rest != nullptr) facts.layers.push_back(layer);
    if (schema.has("minItems")) facts.raise(count_of(schema, "minItems"));
    if (schema.has("maxItems")) facts.cut(count_of(schema, "maxItems"));
    if (schema.has("uniqueItems") && schema.at("uniqueItems").get<bool>()) facts.unique = &schema;
    if (!schema.has("contains")) continue;
    Contains contains{{&inside(schema, "contains")}, 0, 1, std::nullopt};
    if (!is_draft7 && schema.has("minContains")) contains.least = count_of(schema, "minContains");
    if (!is_draft7 && schema.has("maxContains")) contains.most = count_of(schema, "maxContains");
    if (contains.least > 0 || contains.most) facts.contains.push_back(contains);
  }
  return branches;
}

ObjectFacts::Layer Expander::object_layer(const Schema& schema) {
  ObjectFacts::Layer layer;
  if (schema.has("properties")) layer.properties = &schema.at("properties");
  if (schema.has("patternProperties")) {
    for (const auto& [expression, value] : schema.at("patternProperties").items())
      layer.patterns.push_back({expression,
                                pattern(expression, Reading::certain, schema, "patternProperties"),
                                pattern(expression, Reading::possible, schema, "patternProperties"),
                                &document_.at(value)});
  }
  if (schema.has("additionalProperties"))
    layer.additional = &inside(schema, "additionalProperties");
  if (document_.dialect() == Dialect::draft7 || !schema.has("unevaluatedProperties") ||
      schema.has("additionalProperties"))
    return layer;
  const Schema& unevaluated = inside(schema, "unevaluatedProperties");
  if (*unevaluated.value == true) return layer;
  for (const char* other : {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas"})
    if (schema.has(other))
      refuse(Refusal::Kind::unsupported, std::string("is not supported beside ") + other, schema,
             "unevaluatedProperties");
  layer.additional = &unevaluated;
  return layer;
}

Branches Expander::apply_object(Branches branches, const Schema& schema) {
  const bool may_be_object =
      std::any_of(branches.begin(), branches.end(),
                  [](const Branch& branch) { return (branch.kinds & kObject) != 0; });
  if (!may_be_object) return branches;
  const ObjectFacts::Layer layer = object_layer(schema);
  for (Branch& branch : branches) {
    ObjectFacts& facts = branch.object;
    if (layer.properties != nullptr || !layer.patterns.empty() || layer.additional != nullptr)
      facts.layers.push_back(layer);
    if (schema.has("required"))
      for (const ordered_json& key : schema.at("required")) facts.require(key);
    if (schema.has("minProperties")) {
      facts.least = std::max(facts.least, count_of(schema, "minProperties"));
      facts.counted = &schema;
    }
    if (schema.has("maxProperties")) {
      const std::uint64_t most = count_of(schema, "maxProperties");
      facts.most = std::min(facts.most.value_or(most), most);
    }
    if (schema.has("propertyNames")) facts.names.insert({&inside(schema, "propertyNames")});
  }
  return branches;
}

Branches Expander::with_key(Branches branches, const std::string& key) const {
  for (Branch& branch : branches) {
    branch.kinds &= kObject;
    branch.object.require(key);
  }
  std::erase_if(branches, [&](const Branch& branch) {
    return branch.kinds == 0 || branch.object.forbidden.contains(key);
  });
  return branches;
}

Branches Expander::without_key(Branches branches, const std::string& key) const {
  for (Branch& branch : branches) {
    branch.kinds &= kObject;
    branch.object.forbidden.insert(key);
  }
  std::erase_if(branches, [&](const Branch& branch) {
    return branch.kinds == 0 || branch.object.requires_key(key);
  });
  return branches;
}

Branches Expander::apply_dependencies(Branches branches, const Schema& schema) {
  const auto depend = [&](const std::string& key, auto then) {
    branches = change_kind(branches, kObject, [&](Branch part) {
      Branches out = without_key({part}, key);
      append(out, then(with_key({std::move(part)}, key)));
      return out;
    });
  };
  const auto on_keys = [&](const std::string& key, const ordered_json& others) {
    depend(key, [&](Branches present) {
      for (const ordered_json& other : others) present = with_key(std::move(present), other);
      return present;
    });
  };
  const auto on_schema = [&](const std::string& key, const ordered_json& other) {
    depend(key,
           [&](Branches present) { return apply(std::move(present), {&document_.at(other)}); });
  };
  if (document_.dialect() == Dialect::draft7) {
    if (!schema.has("dependencies")) return branches;
    for (const auto& [key, value] : schema.at("dependencies").items())
      value.is_array() ? on_keys(key, value) : on_schema(key, value);
    return branches;
  }
  if (schema.has("dependentRequired"))
    for (const auto& [key, value] : schema.at("dependentRequired").items()) on_keys(key, value);
  if (schema.has("dependentSchemas"))
    for (const auto& [key, value] : schema.at("dependentSchemas").items()) on_schema(key, value);
  return branches;
}

Branches Expander::apply_combination(Branches branches, const Schema& schema) {
  if (schema.has("allOf"))
    for (const ordered_json& one : schema.at("allOf"))
      branches = apply(std::move(branches), {&document_.at(one)});
  if (schema.has("anyOf")) {
    Branches out;
    for (const ordered_json& one : schema.at("anyOf"))
      append(out, apply(branches, {&document_.at(one)}));
    branches = std::move(out);
  }
  if (schema.has("oneOf")) branches = apply_one_of(branches, schema.at("oneOf"));
  if (schema.has("not")) branches = apply(std::move(branches), {&inside(schema, "not"), true});
  if (!schema.has("if") || (!schema.has("then") && !schema.has("else"))) return branches;
  const Schema& condition = inside(schema, "if");
  Branches out = apply(branches, {&condition});
  if (schema.has("then")) out = apply(std::move(out), {&inside(schema, "then")});
  Branches otherwise = apply(branches, {&condition, true});
  if (schema.has("else")) otherwise = apply(std::move(otherwise), {&inside(schema, "else")});
  append(out, std::move(otherwise));
  return out;
}

// One of them, and not another. Where two exclude each other anyway, nothing need be negated.
Branches Expander::apply_one_of(const Branches& branches, const ordered_json& schemas) {
  Branches out;
  for (const ordered_json& one : schemas) {
    Branches chosen = feasible(apply(branches, {&document_.at(one)}));
    for (const ordered_json& other : schemas) {
      if (&other == &one || chosen.empty()) continue;
      const Goal unwanted{&document_.at(other), true};
      Branches rest;
      for (Branch& branch : chosen) {
        const Branches both = feasible(apply({branch}, {unwanted.schema}));
        append(rest, both.empty() ? Branches{std::move(branch)} : apply({branch}, unwanted));
      }
      chosen = std::move(rest);
    }
    append(out, std::move(chosen));
  }
  return out;
}

std::shared_ptr<const Automaton> Expander::pattern(const std::string& expression, Reading reading,
                                                   const Schema& schema, const char* keyword) {
  auto& known = patterns_[{expression, reading}];
  if (known != nullptr) return known;
  try {
    known = std::make_shared<Automaton>(containing(expression, reading));
  } catch (const Refusal& refusal) {
    refuse(refusal.kind(), refusal.what(), schema, keyword);
  }
  automaton_states_ += known->states().size();
  if (automaton_states_ > kMaxAutomatonStates)
    throw Refusal(Refusal::Kind::too_large, "its patterns together need too many states");
  return known;
}

std::uint64_t Expander::count_of(const Schema& schema, const char* keyword) const {
  const ordered_json& value = schema.at(keyword);
  return value.is_number_float() ? static_cast<std::uint64_t>(value.get<double>())
                                 : value.get<std::uint64_t>();
}

Decimal Expander::decimal_of(const Schema& schema, const char* keyword) const {
  const std::optional<Decimal> decimal = Decimal::from(schema.at(keyword));
  if (!decimal)
    refuse(Refusal::Kind::unsupported, "the number is too large or too small to be exact", schema,
           keyword);
  return *decimal;
}

}  // namespace gpumodel::engine::text::grammar

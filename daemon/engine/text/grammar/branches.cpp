#include "engine/text/grammar/branches.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::engine::text::grammar {
namespace {

constexpr std::size_t kMaxWork = 200'000;  // branches made for one schema

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

}  // namespace gpumodel::engine::text::grammar

// Values that do not obey a schema.
#include <algorithm>
#include <utility>

#include "engine/text/grammar/branches.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

[[noreturn]] void refuse_negation(const Schema& schema, const char* keyword) {
  refuse(Refusal::Kind::unsupported,
         "is not supported where the schema must not be obeyed (below not, oneOf or if)", schema,
         keyword);
}

Branches of_kind(Branches branches, unsigned kinds) {
  for (Branch& branch : branches) branch.kinds &= kinds;
  std::erase_if(branches, [](const Branch& branch) { return branch.kinds == 0; });
  return branches;
}

// Branches of a kind, each changed.
template <class Change>
Branches changed(const Branches& branches, unsigned kinds, Change change) {
  Branches out = of_kind(branches, kinds);
  for (Branch& branch : out) change(branch);
  return out;
}

bool is_true(const Schema& schema) {
  return *schema.value == true || (schema.value->is_object() && schema.value->empty());
}

}  // namespace

Branches Expander::apply_negated(const Branches& branches, const Schema& schema) {
  Branches out;
  if (schema.has("$ref")) append(out, apply(branches, {&document_.resolve(schema), true}));
  if (document_.dialect() == Dialect::draft7 && schema.has("$ref")) return out;
  if (schema.has("$dynamicRef") && document_.dialect() != Dialect::draft7)
    refuse(Refusal::Kind::unsupported, "is not supported; use $ref", schema, "$dynamicRef");
  negate_value(branches, schema, out);
  negate_number(branches, schema, out);
  negate_string(branches, schema, out);
  negate_array(branches, schema, out);
  negate_object(branches, schema, out);
  negate_dependencies(branches, schema, out);
  negate_combination(branches, schema, out);
  return out;
}

void Expander::negate_value(const Branches& branches, const Schema& schema, Branches& out) {
  if (schema.has("type")) {
    Branches named = branches;
    for (Branch& branch : named) branch.kinds &= ~kinds_named(schema.at("type"));
    std::erase_if(named, [](const Branch& branch) { return branch.kinds == 0; });
    append(out, std::move(named));
  }
  if (schema.has("const")) append(out, excluding(branches, schema, schema.at("const"), "const"));
  if (schema.has("enum")) {
    Branches rest = branches;
    for (const ordered_json& value : schema.at("enum"))
      rest = excluding(std::move(rest), schema, value, "enum");
    append(out, std::move(rest));
  }
}

Branches Expander::excluding(Branches branches, const Schema& schema, const ordered_json& value,
                             const char* keyword) const {
  const unsigned kind = kind_of(value);
  Branches out;
  for (Branch& branch : branches) {
    if (branch.values) {
      std::erase_if(*branch.values,
                    [&](const ordered_json* other) { return is_same(*other, value); });
    } else if (kind & branch.kinds & kNumber) {
      branch.number.excluded.push_back(*Decimal::from(value));
    } else if (kind & branch.kinds & kString) {
      branch.string.languages.push_back(std::make_shared<Automaton>(
          Automaton::any_of({characters_of(value.get<std::string>())}).complement()));
    } else if (kind & branch.kinds & kNull) {
      branch.kinds &= ~kNull;
    } else if (kind & branch.kinds & kBoolean) {
      branch.kinds &= ~kBoolean;
      append(out, {branch});
      static const ordered_json kTrue = true;
      static const ordered_json kFalse = false;
      branch.kinds = kBoolean;
      branch.values = {value == true ? &kFalse : &kTrue};
    } else if (kind & branch.kinds & (kArray | kObject)) {
      if (!value.empty()) refuse_negation(schema, keyword);
      if (kind == kArray) branch.array.raise(1);
      if (kind == kObject) branch.object.least = std::max<std::uint64_t>(branch.object.least, 1);
    }
    append(out, {std::move(branch)});
  }
  std::erase_if(out, [](const Branch& branch) { return branch.kinds == 0; });
  return out;
}

void Expander::negate_number(const Branches& branches, const Schema& schema, Branches& out) {
  const auto add = [&](const char* keyword, bool is_lower, bool is_exclusive) {
    if (!schema.has(keyword)) return;
    const Bound other{decimal_of(schema, keyword), !is_exclusive};
    append(out, changed(branches, kNumber, [&](Branch& branch) {
             is_lower ? branch.number.cut_upper(other) : branch.number.raise_lower(other);
           }));
  };
  add("minimum", true, false);
  add("exclusiveMinimum", true, true);
  add("maximum", false, false);
  add("exclusiveMaximum", false, true);
  if (!schema.has("multipleOf")) return;
  const Decimal divisor = decimal_of(schema, "multipleOf");
  if (!divisor.is_integer() || divisor.whole.size() > 6) refuse_negation(schema, "multipleOf");
  append(out, of_kind(branches, kFraction));
  append(out, changed(branches, kInteger, [&](Branch& branch) {
           branch.number.not_multiples_of.push_back(std::stoll(divisor.whole));
         }));
}

void Expander::negate_string(const Branches& branches, const Schema& schema, Branches& out) {
  const Branches strings = of_kind(branches, kString);
  if (strings.empty()) return;
  refuse_content(schema);
  if (schema.has("minLength") && count_of(schema, "minLength") > 0)
    append(out, changed(strings, kString, [&](Branch& branch) {
             const std::uint64_t most = count_of(schema, "minLength") - 1;
             branch.string.most = std::min(branch.string.most.value_or(most), most);
           }));
  if (schema.has("maxLength"))
    append(out, changed(strings, kString, [&](Branch& branch) {
             branch.string.least = std::max(branch.string.least, count_of(schema, "maxLength") + 1);
           }));
  if (schema.has("pattern")) {
    const auto other = std::make_shared<Automaton>(
        pattern(schema.at("pattern"), Reading::possible, schema, "pattern")->complement());
    append(out, changed(strings, kString,
                        [&](Branch& branch) { branch.string.languages.push_back(other); }));
  }
  if (schema.has("format") && format_kind(schema.at("format")) != FormatKind::annotation)
    refuse_negation(schema, "format");
}

void Expander::negate_array(const Branches& branches, const Schema& schema, Branches& out) {
  const Branches arrays = of_kind(branches, kArray);
  if (arrays.empty()) return;
  if (schema.has("uniqueItems") && schema.at("uniqueItems").get<bool>())
    refuse_negation(schema, "uniqueItems");
  if (schema.has("minItems") && count_of(schema, "minItems") > 0)
    append(out, changed(arrays, kArray, [&](Branch& branch) {
             branch.array.cut(count_of(schema, "minItems") - 1);
           }));
  if (schema.has("maxItems"))
    append(out, changed(arrays, kArray, [&](Branch& branch) {
             branch.array.raise(count_of(schema, "maxItems") + 1);
           }));
  const ArrayFacts::Layer layer = array_layer(schema);
  for (std::size_t i = 0; i < layer.prefix.size(); ++i) {
    if (is_true(*layer.prefix[i])) continue;
    append(out, changed(arrays, kArray, [&](Branch& branch) {
             branch.array.raise(i + 1);
             branch.array.items.push_back({i, {layer.prefix[i], true}});
           }));
  }
  if (layer.rest != nullptr && !is_true(*layer.rest))
    append(out, changed(arrays, kArray, [&](Branch& branch) {
             branch.array.contains.push_back(
                 {{layer.rest, true}, layer.prefix.size(), 1, std::nullopt});
           }));
  if (!schema.has("contains")) return;
  const bool is_draft7 = document_.dialect() == Dialect::draft7;
  const Goal goal{&inside(schema, "contains")};
  std::uint64_t least = 1;
  if (!is_draft7 && schema.has("minContains")) least = count_of(schema, "minContains");
  if (least > 0)
    append(out, changed(arrays, kArray, [&](Branch& branch) {
             branch.array.contains.push_back({goal, 0, 0, least - 1});
           }));
  if (!is_draft7 && schema.has("maxContains"))
    append(out, changed(arrays, kArray, [&](Branch& branch) {
             const std::uint64_t more = count_of(schema, "maxContains") + 1;
             branch.array.contains.push_back({goal, 0, more, std::nullopt});
           }));
}

void Expander::negate_object(const Branches& branches, const Schema& schema, Branches& out) {
  const Branches objects = of_kind(branches, kObject);
  if (objects.empty()) return;
  for (const char* keyword :
       {"patternProperties", "additionalProperties", "propertyNames", "unevaluatedProperties"}) {
    if (!schema.has(keyword)) continue;
    const bool says_nothing = std::string(keyword) == "patternProperties"
                                  ? schema.at(keyword).empty()
                                  : is_true(inside(schema, keyword));
    if (!says_nothing) refuse_negation(schema, keyword);
  }
  if (schema.has("required"))
    for (const ordered_json& key : schema.at("required")) append(out, without_key(objects, key));
  if (schema.has("minProperties") && count_of(schema, "minProperties") > 0)
    append(out, changed(objects, kObject, [&](Branch& branch) {
             const std::uint64_t most = count_of(schema, "minProperties") - 1;
             branch.object.most = std::min(branch.object.most.value_or(most), most);
           }));
  if (schema.has("maxProperties"))
    append(out, changed(objects, kObject, [&](Branch& branch) {
             const std::uint64_t least = count_of(schema, "maxProperties") + 1;
             branch.object.least = std::max(branch.object.least, least);
             branch.object.counted = &schema;
           }));
  if (!schema.has("properties")) return;
  for (const auto& [key, value] : schema.at("properties").items()) {
    const Schema& inside_schema = document_.at(value);
    if (is_true(inside_schema)) continue;
    Branches present = with_key(objects, key);
    for (Branch& branch : present)
      branch.object.properties.push_back({key, {&inside_schema, true}});
    append(out, std::move(present));
  }
}

void Expander::negate_dependencies(const Branches& branches, const Schema& schema, Branches& out) {
  const auto on_keys = [&](const std::string& key, const ordered_json& others) {
    for (const ordered_json& other : others)
      append(out, without_key(with_key(branches, key), other));
  };
  const auto on_schema = [&](const std::string& key, const ordered_json& other) {
    append(out, apply(with_key(branches, key), {&document_.at(other), true}));
  };
  if (document_.dialect() == Dialect::draft7) {
    if (!schema.has("dependencies")) return;
    for (const auto& [key, value] : schema.at("dependencies").items())
      value.is_array() ? on_keys(key, value) : on_schema(key, value);
    return;
  }
  if (schema.has("dependentRequired"))
    for (const auto& [key, value] : schema.at("dependentRequired").items()) on_keys(key, value);
  if (schema.has("dependentSchemas"))
    for (const auto& [key, value] : schema.at("dependentSchemas").items()) on_schema(key, value);
}

void Expander::negate_combination(const Branches& branches, const Schema& schema, Branches& out) {
  const auto all_negated = [&](const ordered_json& schemas) {
    Branches none = branches;
    for (const ordered_json& one : schemas)
      none = apply(std::move(none), {&document_.at(one), true});
    return none;
  };
  if (schema.has("allOf"))
    for (const ordered_json& one : schema.at("allOf"))
      append(out, apply(branches, {&document_.at(one), true}));
  if (schema.has("anyOf")) append(out, all_negated(schema.at("anyOf")));
  if (schema.has("oneOf")) {
    const ordered_json& schemas = schema.at("oneOf");
    append(out, all_negated(schemas));
    for (std::size_t i = 0; i < schemas.size(); ++i)
      for (std::size_t j = i + 1; j < schemas.size(); ++j)
        append(out,
               apply(apply(branches, {&document_.at(schemas[i])}), {&document_.at(schemas[j])}));
  }
  if (schema.has("not")) append(out, apply(branches, {&inside(schema, "not")}));
  if (!schema.has("if") || (!schema.has("then") && !schema.has("else"))) return;
  const Schema& condition = inside(schema, "if");
  if (schema.has("then"))
    append(out, apply(apply(branches, {&condition}), {&inside(schema, "then"), true}));
  if (schema.has("else"))
    append(out, apply(apply(branches, {&condition, true}), {&inside(schema, "else"), true}));
}

}  // namespace gpumodel::engine::text::grammar

// What a schema asks of numbers, strings, arrays and objects.
#include <algorithm>
#include <utility>

#include "engine/text/grammar/branches.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

constexpr std::size_t kMaxAutomatonStates = 200'000;

}  // namespace

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

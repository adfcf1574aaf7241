#include "engine/text/grammar/schema_keywords.hpp"

#include <algorithm>
#include <cmath>

namespace gpumodel::engine::text::grammar {
namespace {

constexpr Keyword kKeywords[] = {
    {"$anchor", false, true, Holds::nothing, "a string", ""},
    {"$comment", true, true, Holds::nothing, "anything", ""},
    {"$defs", true, true, Holds::schemas_by_name, "an object of schemas", ""},
    {"$dynamicAnchor", false, true, Holds::nothing, "a string", ""},
    {"$dynamicRef", false, true, Holds::nothing, "a string", ""},
    {"$id", true, true, Holds::nothing, "a string", ""},
    {"$recursiveAnchor", false, false, Holds::nothing, "anything", "$dynamicAnchor"},
    {"$recursiveRef", false, false, Holds::nothing, "anything", "$dynamicRef"},
    {"$ref", true, true, Holds::nothing, "a string", ""},
    {"$schema", true, true, Holds::nothing, "a string", ""},
    {"$vocabulary", false, true, Holds::nothing, "anything", ""},
    {"additionalItems", true, false, Holds::schema, "a schema", "items"},
    {"additionalProperties", true, true, Holds::schema, "a schema", ""},
    {"allOf", true, true, Holds::schemas, "schemas", ""},
    {"anyOf", true, true, Holds::schemas, "schemas", ""},
    {"const", true, true, Holds::nothing, "anything", ""},
    {"contains", true, true, Holds::schema, "a schema", ""},
    {"contentEncoding", true, true, Holds::nothing, "a string", ""},
    {"contentMediaType", true, true, Holds::nothing, "a string", ""},
    {"definitions", true, true, Holds::schemas_by_name, "an object of schemas", ""},
    {"dependencies", true, false, Holds::dependencies, "an object of schemas or strings",
     "dependentRequired and dependentSchemas"},
    {"dependentRequired", false, true, Holds::nothing, "an object of strings", "dependencies"},
    {"dependentSchemas", false, true, Holds::schemas_by_name, "an object of schemas",
     "dependencies"},
    {"else", true, true, Holds::schema, "a schema", ""},
    {"enum", true, true, Holds::nothing, "an array", ""},
    {"exclusiveMaximum", true, true, Holds::nothing, "a number", ""},
    {"exclusiveMinimum", true, true, Holds::nothing, "a number", ""},
    {"format", true, true, Holds::nothing, "a string", ""},
    {"if", true, true, Holds::schema, "a schema", ""},
    {"items", true, true, Holds::schema_or_schemas, "a schema", "prefixItems"},
    {"maxContains", false, true, Holds::nothing, "a count", "contains alone"},
    {"maxItems", true, true, Holds::nothing, "a count", ""},
    {"maxLength", true, true, Holds::nothing, "a count", ""},
    {"maxProperties", true, true, Holds::nothing, "a count", ""},
    {"maximum", true, true, Holds::nothing, "a number", ""},
    {"minContains", false, true, Holds::nothing, "a count", "contains alone"},
    {"minItems", true, true, Holds::nothing, "a count", ""},
    {"minLength", true, true, Holds::nothing, "a count", ""},
    {"minProperties", true, true, Holds::nothing, "a count", ""},
    {"minimum", true, true, Holds::nothing, "a number", ""},
    {"multipleOf", true, true, Holds::nothing, "a number above 0", ""},
    {"not", true, true, Holds::schema, "a schema", ""},
    {"oneOf", true, true, Holds::schemas, "schemas", ""},
    {"pattern", true, true, Holds::nothing, "a string", ""},
    {"patternProperties", true, true, Holds::schemas_by_name, "an object of schemas", ""},
    {"prefixItems", false, true, Holds::schemas, "schemas", "an array of items"},
    {"properties", true, true, Holds::schemas_by_name, "an object of schemas", ""},
    {"propertyNames", true, true, Holds::schema, "a schema", ""},
    {"required", true, true, Holds::nothing, "strings", ""},
    {"then", true, true, Holds::schema, "a schema", ""},
    {"type", true, true, Holds::nothing, "a type or types", ""},
    {"unevaluatedItems", false, true, Holds::schema, "a schema", "additionalItems"},
    {"unevaluatedProperties", false, true, Holds::schema, "a schema", "additionalProperties"},
    {"uniqueItems", true, true, Holds::nothing, "a boolean", ""},
};

bool is_schema(const ordered_json& value) { return value.is_object() || value.is_boolean(); }

bool all_schemas(const ordered_json& value) {
  return std::all_of(value.begin(), value.end(), [](const auto& item) { return is_schema(item); });
}

bool all_strings(const ordered_json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const auto& item) { return item.is_string(); });
}

bool is_count(const ordered_json& value) {
  if (value.is_number_unsigned()) return true;
  if (value.is_number_integer()) return value.get<std::int64_t>() >= 0;
  if (!value.is_number_float()) return false;
  const double number = value.get<double>();
  return number >= 0 && number <= 1e15 && number == std::floor(number);
}

bool is_type(const ordered_json& value) {
  constexpr std::string_view kTypes[] = {"null",   "boolean", "integer", "number",
                                         "string", "array",   "object"};
  return value.is_string() && std::find(std::begin(kTypes), std::end(kTypes),
                                        value.get_ref<const std::string&>()) != std::end(kTypes);
}

}  // namespace

const Keyword* find_keyword(std::string_view name) {
  const auto place = std::lower_bound(
      std::begin(kKeywords), std::end(kKeywords), name,
      [](const Keyword& keyword, std::string_view wanted) { return keyword.name < wanted; });
  return place != std::end(kKeywords) && place->name == name ? place : nullptr;
}

bool is_well_formed(const Keyword& keyword, const ordered_json& value) {
  const std::string_view form = keyword.form;
  if (form == "anything") return true;
  if (form == "a string") return value.is_string();
  if (form == "a boolean") return value.is_boolean();
  if (form == "a number") return value.is_number();
  if (form == "a number above 0") return value.is_number() && value.get<double>() > 0;
  if (form == "a count") return is_count(value);
  if (form == "an array") return value.is_array();
  if (form == "strings") return all_strings(value);
  if (form == "schemas") return value.is_array() && !value.empty() && all_schemas(value);
  if (form == "an object of schemas") return value.is_object() && all_schemas(value);
  if (form == "an object of strings")
    return value.is_object() && std::all_of(value.begin(), value.end(), all_strings);
  if (form == "an object of schemas or strings")
    return value.is_object() && std::all_of(value.begin(), value.end(), [](const auto& item) {
             return is_schema(item) || all_strings(item);
           });
  if (form == "a type or types")
    return is_type(value) ||
           (value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), is_type));
  // "a schema"
  if (keyword.holds == Holds::schema_or_schemas && value.is_array()) return all_schemas(value);
  return is_schema(value);
}

}  // namespace gpumodel::engine::text::grammar

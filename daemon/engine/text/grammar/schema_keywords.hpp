// What is known of each keyword of the two dialects before its meaning: which of them have it, what
// its value must look like, and where it holds subschemas.
#pragma once

#include <string_view>

#include "engine/text/grammar/schema_document.hpp"

namespace gpumodel::engine::text::grammar {

enum class Holds { nothing, schema, schemas, schemas_by_name, schema_or_schemas, dependencies };

struct Keyword {
  std::string_view name;
  bool in_draft7;
  bool in_2020_12;
  Holds holds;
  // "schema", "count", "number", "strings", ...: see is_well_formed().
  std::string_view form;
  std::string_view instead;  // the other dialect's name for it
};

// Null for what is no keyword of either; it means nothing, as both dialects say.
const Keyword* find_keyword(std::string_view name);

// Whether `value` has the keyword's form.
bool is_well_formed(const Keyword& keyword, const ordered_json& value);

}  // namespace gpumodel::engine::text::grammar

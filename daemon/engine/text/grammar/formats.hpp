// The strings that JSON Schema's `format` names.
#pragma once

#include <string>

#include "engine/text/grammar/automaton.hpp"

namespace gpumodel::engine::text::grammar {

enum class FormatKind {
  honoured,
  refused,     // named by JSON Schema, and not a language that can be followed exactly
  annotation,  // nothing that JSON Schema defines: it says something about the text, as `title`
               // does
};

FormatKind format_kind(const std::string& name);

// Of an honoured format. Exactly the texts that its RFC describes, and of those the ones that
// Python's jsonschema takes with a format checker (no year 0, no leap seconds).
Automaton format_language(const std::string& name);

}  // namespace gpumodel::engine::text::grammar

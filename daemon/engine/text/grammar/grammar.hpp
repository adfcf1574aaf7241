// A request's constraint in the one form that is compiled.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/text/grammar/refusal.hpp"

namespace gpumodel::engine::text::grammar {

struct Grammar {
  std::string ebnf;  // XGrammar's, with the rule "root"
  // Places in which most of a vocabulary may follow: what compiling costs.
  std::size_t wide_states = 0;
};

// The JSON values that obey a JSON Schema (draft 7 or 2020-12; see schema_document.hpp), each with
// one text but for an optional space behind "," and ":". Keys come in the order of `properties`,
// what is required beside these next, others last. Integers have no fraction; a number that is
// bounded has no exponent, and 15 digits where it has a fraction.
//
// Exact: no other text is in the grammar, and every value has one. What cannot be followed exactly
// is a Refusal that names the keyword and its place. `format` is obeyed, not only noted.
Grammar json_schema_grammar(std::string_view schema);

// Texts that match the expression from end to end; see pattern.hpp for its syntax.
Grammar regex_grammar(std::string_view expression);

// EBNF; see ebnf.hpp for its syntax.
Grammar ebnf_grammar(std::string_view text);

}  // namespace gpumodel::engine::text::grammar

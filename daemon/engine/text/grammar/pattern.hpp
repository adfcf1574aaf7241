// Regular expressions of JSON Schema's `pattern` and of requests, as automata.
//
// The syntax is what ECMA-262 and Python's `re` have in common, for a schema's consumers use one or
// the other: alternation, groups, ^ and $, quantifiers, classes, \d \w \s and their negations,
// \t \n \r \f \v \xHH \uHHHH, escaped punctuation. Everything else, look-around and back references
// above all, is Refusal{unsupported}. Where the two read the same expression differently (\d is
// ASCII in one and Unicode in the other, $ may stand before a last newline), `Reading` says whose
// side is taken.
#pragma once

#include <string_view>

#include "engine/text/grammar/automaton.hpp"

namespace gpumodel::engine::text::grammar {

enum class Reading {
  certain,   // only texts that match by both
  possible,  // all texts that match by either
};

// Texts in which the expression is found anywhere, as `pattern` wants it.
Automaton containing(std::string_view expression, Reading reading);

// Texts that it matches from end to end.
Automaton matching(std::string_view expression, Reading reading);

}  // namespace gpumodel::engine::text::grammar

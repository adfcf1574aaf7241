// Grammars that a request brings.
//
//   root  ::= "yes" | "no" | list      # a comment
//   list  ::= "[" item ("," item){0,9} "]"
//   item  ::= [a-z]+ | [^\x00-\x7f]
//
// Rules are name ::= alternatives; names have letters, digits, - _ and . , and begin with a letter
// or _. Parts are "literals", [classes], [^classes], names and (groups), followed by one of * + ?
// {n} {n,} {n,m} or nothing. Escapes in literals and classes: \n \r \t \" \\ \] \[ \- \^ \/ \xHH
// \uHHHH \UHHHHHHHH. The text is what "root" matches. It is the part that llama.cpp's GBNF and
// XGrammar's EBNF have in common.
#pragma once

#include <string_view>

#include "engine/text/grammar/rules.hpp"
#include "engine/text/grammar/text_rules.hpp"

namespace gpumodel::engine::text::grammar {

// Adds the rules to `rules` and returns the one of "root". Throws Refusal that names line and
// column; so every rule is defined once, and what is named is defined.
Rules::Rule read_ebnf(std::string_view text, Rules& rules);

}  // namespace gpumodel::engine::text::grammar

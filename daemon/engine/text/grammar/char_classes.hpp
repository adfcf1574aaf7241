// The character classes of regular expressions, by those who disagree about them: ECMA-262 (15th
// edition, section 22.2.2.9) and Python's `re` over str.
#pragma once

#include "engine/text/grammar/char_set.hpp"

namespace gpumodel::engine::text::grammar {

enum class Reading;

// `certain`: what both have in the class; `possible`: what either has.
CharSet digits(Reading reading);
CharSet word_characters(Reading reading);
CharSet white_space(Reading reading);
CharSet any_but_line_ends(Reading reading);

}  // namespace gpumodel::engine::text::grammar

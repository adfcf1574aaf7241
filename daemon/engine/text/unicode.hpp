// Properties of characters, exactly as `tokenizers` judges them.
#pragma once

#include <string>
#include <string_view>

namespace gpumodel::engine::text {

bool is_white_space(char32_t c);  // the White_Space property
bool is_numeric(char32_t c);      // general categories Nd, Nl, No
bool is_punctuation(char32_t c);  // ASCII punctuation and symbols, and Unicode 9's P
bool is_mark(char32_t c);         // general categories Mn, Mc, Me of Unicode 9

// Appends the full lower-case mapping, without regard to the neighbours (so no final sigma).
void append_lowercase(std::string& out, char32_t c);

// Whether any character of this well-formed UTF-8 is newer than PCRE2's Unicode (see
// unicode_tables.hpp). Fast for text without any.
bool has_newer_characters(std::string_view text);

}  // namespace gpumodel::engine::text

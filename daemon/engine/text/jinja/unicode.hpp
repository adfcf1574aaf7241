// Code points of UTF-8 strings, and the character classes of Python's str.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gpumodel::engine::text::jinja {

struct CodePoint {
  char32_t value;
  std::size_t bytes;  // length in the source, 1 to 4
};

// The code point at `at` (< text.size()). A byte that is no valid UTF-8 is one code point of its
// own, U+DC00 + byte, as Python's surrogateescape has it.
CodePoint decode_at(std::string_view text, std::size_t at);
// Appends; U+DC80..U+DCFF becomes the raw byte that decode_at() made it from.
void append_utf8(std::string& out, char32_t value);
std::size_t count_code_points(std::string_view text);

bool is_space(char32_t c);      // str.isspace
bool is_printable(char32_t c);  // what repr() leaves as it is
bool is_alphabetic(char32_t c);
bool is_decimal_digit(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_word(char32_t c);  // \w
bool is_lower(char32_t c);
bool is_upper(char32_t c);
bool is_cased(char32_t c);

// Case mappings append, because one code point can become three (sharp s becomes SS).
void append_upper(std::string& out, char32_t c);
void append_lower(std::string& out, char32_t c);
void append_title(std::string& out, char32_t c);

}  // namespace gpumodel::engine::text::jinja

// Translates Oniguruma's regular expressions (its Ruby syntax, which `tokenizers` uses) to PCRE2's.
//
// The two languages share most of their signs but not all meanings: \h is a hexadecimal digit,
// \v one control character, \w and \b follow Unicode's Alphabetic, ^ and $ always mean lines,
// {,n} is a quantifier, x{n,m}+ repeats instead of being possessive, [a[b]&&[c]] is set algebra.
// What is neither the same nor translated here is refused by name: back-references, named groups,
// options inside an alternative, POSIX brackets, \G \K \X, octal escapes, properties other than
// general categories and the scripts Han, Hiragana, Katakana and Hangul.
// Source: Oniguruma's doc/RE, checked against `tokenizers` on every Unicode character.
#pragma once

#include <string>
#include <string_view>

namespace gpumodel::engine::text {

struct TranslatedPattern {
  std::string pattern;
  // Whether it asks for any property whose members grew since PCRE2's Unicode version.
  bool uses_categories = false;
};

// `newer` adds the characters of unicode_tables.hpp to every property. `pattern` is UTF-8.
// Throws BadPattern.
TranslatedPattern translate_pattern(std::string_view pattern, bool newer);

}  // namespace gpumodel::engine::text

// Where the Unicode versions differ: `tokenizers` 0.23 classifies characters by Unicode 16 in its
// regular expressions (Oniguruma 6.9.10), but normalises and finds marks and punctuation by
// Unicode 9; PCRE2 10.42 knows Unicode 14, utf8proc 2.8 Unicode 15. Ids must be the same as
// `tokenizers` gives, so these tables, taken from the Unicode Character Database's own facts, say
// which characters the libraries would judge otherwise.
#pragma once

#include <span>

namespace gpumodel::engine::text {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

// Characters that Unicode 15.0 to 16.0 assigned, with their general category ("Lo").
struct CategoryRange {
  char32_t first;
  char32_t last;
  char category[3];
};

// In ascending order.
std::span<const CategoryRange> categories_after_unicode14();

bool is_after_unicode14(char32_t code_point);

// Whether Unicode 9 did not have this character, for all that have a decomposition, are marks or
// are punctuation by now; for others the answer is false, as no one asks.
bool is_after_unicode9(char32_t code_point);

}  // namespace gpumodel::engine::text

#include "engine/text/unicode.hpp"

#include <utf8proc.h>

#include "engine/text/unicode_tables.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {
namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

// Upper-case letters that came after Unicode 15, by the distance to their lower case.
struct LowercaseRange {
  char32_t first;
  char32_t last;
  int distance;
};

constexpr LowercaseRange kNewerLowercase[] = {
    {0x1C89, 0x1C89, 1},      {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CC, 1},      {0xA7CE, 0xA7CE, 1},
    {0xA7D2, 0xA7D2, 1},      {0xA7D4, 0xA7D4, 1},
    {0xA7DA, 0xA7DA, 1},      {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 0x20}, {0x16EA0, 0x16EB8, 0x1B},
};

// Digits and numbers of Unicode 17, which only `tokenizers`' Digits (Rust's own tables) knows.
constexpr CodePointRange kUnicode17Numeric[] = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};

}  // namespace

bool is_white_space(char32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0D) || c == 0x20;
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto kind = category(c);
  if (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO) return true;
  if (kind != UTF8PROC_CATEGORY_CN) return false;
  for (const CategoryRange& range : categories_after_unicode14()) {
    if (c >= range.first && c <= range.last) return range.category[0] == 'N';
  }
  for (const CodePointRange& range : kUnicode17Numeric) {
    if (c >= range.first && c <= range.last) return true;
  }
  return false;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
           (c >= 0x7B && c <= 0x7E);
  }
  // Punctuation in Unicode 9, other things since.
  if (c == 0x166D || c == 0x111C9) return true;
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO && !is_after_unicode9(c);
}

bool is_mark(char32_t c) {
  if (c < 0x300) return false;
  // Marks in Unicode 9, letters since.
  if (c == 0x1CF2 || c == 0x1CF3) return true;
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME && !is_after_unicode9(c);
}

void append_lowercase(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 0x20 : c));
    return;
  }
  if (c == 0x130) {  // the one character whose unconditional lower case is two characters
    out.append("i\xCC\x87");
    return;
  }
  for (const LowercaseRange& range : kNewerLowercase) {
    if (c >= range.first && c <= range.last) {
      append_code_point(out, static_cast<char32_t>(static_cast<int>(c) + range.distance));
      return;
    }
  }
  append_code_point(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

bool has_newer_characters(std::string_view text) {
  for (std::size_t offset = 0; offset < text.size();) {
    if (static_cast<unsigned char>(text[offset]) < 0xE0) {
      ++offset;  // ASCII, or within a two-byte character: none of these is new
      continue;
    }
    const char32_t c = next_code_point(text, offset);
    const bool surely_old = (c >= 0x3200 && c < 0xA7CB) || (c >= 0xAC00 && c < 0x105C0);
    if (!surely_old && is_after_unicode14(c)) return true;
  }
  return false;
}

}  // namespace gpumodel::engine::text

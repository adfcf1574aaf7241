#include "engine/text/char_class.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "engine/text/unicode_tables.hpp"

namespace gpumodel::engine::text {
namespace {

constexpr std::array<std::string_view, 35> kCategories = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N", "Nd",
    "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm",
    "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs"};

struct ScriptRange {
  std::string_view script;
  CodePointRange range;
};
// What Unicode 15 and 16 added to the scripts that may be named.
constexpr ScriptRange kNewerScripts[] = {{"Han", {0x2B739, 0x2B739}},
                                         {"Han", {0x2EBF0, 0x2EE5D}},
                                         {"Han", {0x31350, 0x323AF}},
                                         {"Hiragana", {0x1B132, 0x1B132}},
                                         {"Katakana", {0x1B155, 0x1B155}}};
constexpr std::array<std::string_view, 4> kScripts = {"Han", "Hiragana", "Katakana", "Hangul"};

std::string range_items(char32_t first, char32_t last) {
  return fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", static_cast<unsigned>(first),
                     static_cast<unsigned>(last));
}

// Adds the newer characters whose category `matches`.
template <typename Predicate>
void add_newer(CharClass& out, Predicate matches) {
  for (const CategoryRange& range : categories_after_unicode14()) {
    if (matches(std::string_view(range.category, 2))) {
      out.add_items(range_items(range.first, range.last));
    }
  }
}

bool is_word_category(std::string_view category) {
  return category[0] == 'L' || category[0] == 'M' || category == "Nl" || category == "Nd" ||
         category == "Pc";
}

void add_word(bool newer, CharClass& out) {
  out.add_items("\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}");
  if (newer) add_newer(out, is_word_category);
}

}  // namespace

void CharClass::add(const CharClass& other) {
  items_.append(other.items_);
  sets_.insert(sets_.end(), other.sets_.begin(), other.sets_.end());
}

std::string CharClass::expression() const {
  if (sets_.empty()) return "[" + items_ + "]";
  if (items_.empty() && sets_.size() == 1) return sets_.front();
  std::string out = "(?:";
  if (!items_.empty()) out += "[" + items_ + "]|";
  for (const std::string& set : sets_) out += set + "|";
  out.back() = ')';
  return out;
}

std::string CharClass::negated_expression() const {
  if (sets_.empty()) return "[^" + items_ + "]";
  return "(?:(?!" + expression() + ")(?s:.))";
}

bool property_class(std::string_view name, bool newer, CharClass& out, bool& grew) {
  if (name == "space") {
    // Written out, as \s would take U+180E too.
    out.add_items(
        "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
        "\\x{202f}\\x{205f}\\x{3000}");
    return true;
  }
  if (name == "hex") {
    out.add_items("0-9a-fA-F");
    return true;
  }
  grew = true;
  if (name == "word") {
    // Oniguruma counts Latin-1's superscripts and fractions in, and no other such numbers.
    out.add_items("\\xb2\\xb3\\xb9\\xbc-\\xbe");
    add_word(newer, out);
    return true;
  }
  if (name == "word_or_joiner") {
    out.add_items("\\x{200c}\\x{200d}");
    add_word(newer, out);
    return true;
  }
  if (name == "digit") name = "Nd";
  if (std::find(kScripts.begin(), kScripts.end(), name) != kScripts.end()) {
    // The script itself; without "sc:" PCRE2 adds its script extensions.
    out.add_items(fmt::format("\\p{{sc:{}}}", name));
    for (const ScriptRange& added : kNewerScripts) {
      if (newer && added.script == name) {
        out.add_items(range_items(added.range.first, added.range.last));
      }
    }
    return true;
  }
  if (std::find(kCategories.begin(), kCategories.end(), name) == kCategories.end()) return false;
  out.add_items(fmt::format("\\p{{{}}}", name));
  if (newer) {
    add_newer(out, [&](std::string_view category) { return category.starts_with(name); });
  }
  return true;
}

}  // namespace gpumodel::engine::text

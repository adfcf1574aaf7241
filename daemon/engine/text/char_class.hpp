// A set of characters as a PCRE2 expression that matches one of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpumodel::engine::text {

// PCRE2's brackets know neither nested nor intersected sets, so a set is kept as bracket items and
// further expressions, and only written down at the end.
class CharClass {
 public:
  // What may stand inside brackets, as PCRE2 writes it: `a-z\x{b2}`.
  void add_items(std::string_view items) { items_.append(items); }
  // Any expression that matches exactly one character.
  void add_set(std::string expression) { sets_.push_back(std::move(expression)); }
  void add(const CharClass& other);

  bool empty() const { return items_.empty() && sets_.empty(); }

  // An atom: a quantifier may follow it.
  std::string expression() const;
  std::string negated_expression() const;

 private:
  std::string items_;
  std::vector<std::string> sets_;
};

// The members of a property that patterns may name: a general category ("L", "Nd") or a script;
// also "digit", "space", "word", "hex" for \d, \s, \w, \h, and "word_or_joiner" for the \w of
// Rust's regex crate. `newer` adds what PCRE2's tables lack. Returns false for an unknown name;
// `grew` is set to true if there is anything that `newer` adds or would add.
bool property_class(std::string_view name, bool newer, CharClass& out, bool& grew);

}  // namespace gpumodel::engine::text

// What Split and Replace look for: a literal string or a regular expression.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/text/regex.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {

class JsonNode;

class Pattern {
 public:
  // {"String": "..."} or {"Regex": "..."}.
  static Pattern parse(const JsonNode& node);
  static Pattern literal(std::string text);
  static Pattern regex(std::string_view pattern);
  static Pattern native(const std::string& pattern);  // see Regex::compile_native

  // As Regex::find.
  bool find(std::string_view text, std::size_t from, bool newer, MatchState& state,
            MatchRange& match) const;

  // The literal, where it is one character: then matches never cross a character.
  std::optional<std::string_view> single_character() const;

  // Calls f(MatchRange) for each match from left to right. As in `tokenizers`: an empty match right
  // behind a match does not count, and an empty text has no matches.
  template <typename F>
  void for_each_match(std::string_view text, bool newer, MatchState& state, F&& f) const {
    MatchRange match;
    bool matched_before = false;
    for (std::size_t from = 0, last_end = 0;
         !text.empty() && from <= text.size() && find(text, from, newer, state, match);) {
      if (match.begin == match.end && matched_before && match.end == last_end) {
        from += from < text.size() ? utf8_width(static_cast<unsigned char>(text[from])) : 1;
        continue;
      }
      from = last_end = match.end;
      matched_before = true;
      f(match);
    }
  }

 private:
  std::string literal_;
  std::optional<Regex> regex_;
};

}  // namespace gpumodel::engine::text

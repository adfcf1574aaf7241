#include "engine/text/grammar/text_rules.hpp"

#include <array>
#include <cstdio>
#include <map>
#include <utility>

#include "engine/text/grammar/decimal.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

// Those that a JSON string cannot hold as they are.
const CharSet& escaped_characters() {
  static const CharSet set({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
  return set;
}

void append_json(std::string& out, char32_t c) {
  constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  if (!escaped_characters().contains(c)) {
    append_code_point(out, c);
    return;
  }
  const std::size_t place = kShort.find(static_cast<char>(c));
  if (place != std::string_view::npos) {
    out += '\\';
    out += kLetters[place];
    return;
  }
  std::array<char, 8> code;
  std::snprintf(code.data(), code.size(), "\\u%04x", static_cast<unsigned>(c));
  out += code.data();
}

}  // namespace

std::string json_string(std::string_view utf8) {
  std::string out = "\"";
  for (std::size_t offset = 0; offset < utf8.size();)
    append_json(out, next_code_point(utf8, offset));
  return out + '"';
}

Rules::Expression TextRules::plain(const Automaton& automaton) { return written(automaton, false); }

Rules::Expression TextRules::json_strings(const Automaton& automaton) {
  return rules_.sequence({rules_.text("\""), written(automaton, true)});
}

Rules::Expression TextRules::any_json_string() {
  if (any_string_ < 0) any_string_ = rules_.add(json_strings(Automaton::everything()));
  return rules_.reference(any_string_);
}

// Rules that recurse only at their ends cost the parser nothing; so the closing quotation mark is
// part of the last one.
Rules::Expression TextRules::written(const Automaton& automaton, bool is_json) {
  std::vector<Rules::Rule> rules;
  for (std::size_t i = 0; i < automaton.states().size(); ++i) rules.push_back(rules_.declare());
  for (std::size_t i = 0; i < rules.size(); ++i)
    rules_.define(rules[i], state_rule(automaton, i, is_json, rules));
  return rules_.reference(rules[0]);
}

Rules::Expression TextRules::state_rule(const Automaton& automaton, std::size_t state, bool is_json,
                                        const std::vector<Rules::Rule>& rules) {
  const auto& [accepts, edges] = automaton.states()[state];
  std::map<std::int32_t, std::vector<CharRange>> by_target;
  for (const Automaton::Edge& edge : edges) by_target[edge.target].push_back(edge.range);
  std::vector<Rules::Expression> alternatives;
  if (accepts) alternatives.push_back(rules_.text(is_json ? "\"" : ""));
  for (auto& [target, ranges] : by_target) {
    const CharSet set(std::move(ranges));
    const bool is_endless_number = accepts && by_target.size() == 1 &&
                                   static_cast<std::size_t>(target) == state &&
                                   set == CharSet('0', '9');
    if (is_endless_number && !is_json)
      return rules_.repeat(rules_.characters(set), 0, kMaxIntegerDigits);
    alternatives.push_back(
        rules_.sequence({is_json ? json_characters(set) : rules_.characters(set),
                         rules_.reference(rules[static_cast<std::size_t>(target)])}));
  }
  return rules_.choice(std::move(alternatives));
}

// One character of the set as JSON writes it.
Rules::Expression TextRules::json_characters(const CharSet& set) {
  const CharSet escaped = set & escaped_characters();
  std::vector<Rules::Expression> ways;
  if (const CharSet plain = set - escaped_characters(); !plain.empty())
    ways.push_back(rules_.characters(plain));
  if (escaped == escaped_characters()) {
    if (any_escape_ < 0) {
      any_escape_ = rules_.declare();
      std::vector<Rules::Expression> all;
      for (const CharRange& range : escaped.ranges())
        for (char32_t c = range.first; c <= range.last; ++c) {
          std::string text;
          append_json(text, c);
          all.push_back(rules_.text(text));
        }
      rules_.define(any_escape_, rules_.choice(std::move(all)));
    }
    ways.push_back(rules_.reference(any_escape_));
  } else {
    for (const CharRange& range : escaped.ranges())
      for (char32_t c = range.first; c <= range.last; ++c) {
        std::string text;
        append_json(text, c);
        ways.push_back(rules_.text(text));
      }
  }
  return rules_.choice(std::move(ways));
}

}  // namespace gpumodel::engine::text::grammar

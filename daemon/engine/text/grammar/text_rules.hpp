// Automata and JSON's strings and numbers as grammar rules.
#pragma once

#include <string>
#include <string_view>

#include "engine/text/grammar/automaton.hpp"
#include "engine/text/grammar/rules.hpp"

namespace gpumodel::engine::text::grammar {

// One text a value: characters stand for themselves but for the quotation mark, the backslash and
// the control characters, which have the shortest escape that JSON has for them.
std::string json_string(std::string_view utf8);

class TextRules {
 public:
  explicit TextRules(Rules& rules) : rules_(rules) {}

  // What the automaton accepts, as it is.
  Rules::Expression plain(const Automaton& automaton);
  // The JSON strings whose values it accepts, with their quotation marks.
  Rules::Expression json_strings(const Automaton& automaton);
  // Every JSON string.
  Rules::Expression any_json_string();

 private:
  Rules::Expression written(const Automaton& automaton, bool is_json);
  Rules::Expression state_rule(const Automaton& automaton, std::size_t state, bool is_json,
                               const std::vector<Rules::Rule>& rules);
  Rules::Expression json_characters(const CharSet& set);

  Rules& rules_;
  Rules::Rule any_string_ = -1;
  Rules::Rule any_escape_ = -1;
};

}  // namespace gpumodel::engine::text::grammar

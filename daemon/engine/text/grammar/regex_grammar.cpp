#include "engine/text/grammar/grammar.hpp"
#include "engine/text/grammar/pattern.hpp"
#include "engine/text/grammar/rules.hpp"
#include "engine/text/grammar/text_rules.hpp"

namespace gpumodel::engine::text::grammar {

Grammar regex_grammar(std::string_view expression) {
  const Automaton automaton = matching(expression, Reading::certain);
  Rules rules;
  TextRules texts(rules);
  const Rules::Rule root = rules.add(texts.plain(automaton));
  const std::optional<Grammar> grammar = rules.grammar(root);
  if (!grammar) throw Refusal(Refusal::Kind::malformed, "no text matches the expression");
  return *grammar;
}

}  // namespace gpumodel::engine::text::grammar

// A context-free grammar over characters, in the making. Schemas, regular expressions and EBNF all
// become one of these; only what stands here is ever handed to XGrammar.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/grammar/char_set.hpp"
#include "engine/text/grammar/grammar.hpp"

namespace gpumodel::engine::text::grammar {

// What one grammar may hold: so many expressions, and counted repetitions so high. Beyond it is
// Refusal{too_large}.
inline constexpr std::size_t kMaxExpressions = 100'000;
inline constexpr std::uint64_t kMaxRepetitions = 4'000;

// Expressions are made once and used anywhere, and named by an id.
class Rules {
 public:
  using Expression = std::int32_t;
  using Rule = std::int32_t;

  Expression nothing();  // matches no text
  Expression text(std::string_view utf8);
  Expression characters(const CharSet& set);
  Expression sequence(std::vector<Expression> parts);
  Expression choice(std::vector<Expression> parts);
  // No upper end where `most` is absent.
  Expression repeat(Expression part, std::uint64_t least, std::optional<std::uint64_t> most);
  Expression reference(Rule rule);

  Rule declare();
  void define(Rule rule, Expression expression);
  Rule add(Expression expression);

  // Every rule that can be reached from `root` is defined. Alternatives that can never be completed
  // are left out, so that a text which can go on can also end. Null where no text matches at all.
  std::optional<Grammar> grammar(Rule root) const;

 private:
  enum class Kind : std::uint8_t { text, characters, sequence, choice, repeat, reference };
  struct Node {
    Kind kind;
    std::string text;
    CharSet set;
    std::vector<Expression> parts;  // for a reference: the rule
    std::uint64_t least = 0;
    std::optional<std::uint64_t> most;
  };

  Expression add_node(Node node);
  Expression chain(Expression part, std::uint64_t least, std::uint64_t most);
  std::vector<bool> productive_rules() const;
  bool is_productive(Expression expression, const std::vector<bool>& rules) const;
  void print(Expression expression, const std::vector<bool>& productive, bool is_nested,
             std::vector<Rule>& used, Grammar& out) const;

  std::vector<Node> nodes_;
  std::vector<Expression> definitions_;
};

// Appends `set` as XGrammar writes a character class.
void append_class(std::string& out, const CharSet& set);

}  // namespace gpumodel::engine::text::grammar

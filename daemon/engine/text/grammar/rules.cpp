#include "engine/text/grammar/rules.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdio>
#include <utility>

#include "engine/text/grammar/refusal.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

constexpr Rules::Expression kUndefined = -1;
constexpr std::size_t kMaxGrammarBytes = 4 << 20;

// More characters than this in a class, and most tokens of a vocabulary may begin with one.
constexpr std::size_t kWide = 256;

std::size_t size_of(const CharSet& set) {
  std::size_t size = 0;
  for (const CharRange& range : set.ranges()) size += range.last - range.first + 1;
  return size;
}

void append_code(std::string& out, char32_t character) {
  const bool is_plain = (character >= '0' && character <= '9') ||
                        (character >= 'A' && character <= 'Z') ||
                        (character >= 'a' && character <= 'z');
  if (is_plain) {
    out += static_cast<char>(character);
    return;
  }
  std::array<char, 16> code;
  std::snprintf(code.data(), code.size(), "\\U%08X", static_cast<unsigned>(character));
  out += code.data();
}

void append_literal(std::string& out, std::string_view utf8) {
  out += '"';
  for (std::size_t offset = 0; offset < utf8.size();)
    append_code(out, next_code_point(utf8, offset));
  out += '"';
}

std::string rule_name(Rules::Rule rule, Rules::Rule root) {
  return rule == root ? std::string("root") : std::string("r").append(std::to_string(rule));
}

}  // namespace

void append_class(std::string& out, const CharSet& set) {
  out += '[';
  for (const CharRange& range : set.ranges()) {
    append_code(out, range.first);
    if (range.last == range.first) continue;
    out += '-';
    append_code(out, range.last);
  }
  out += ']';
}

Rules::Expression Rules::add_node(Node node) {
  if (nodes_.size() >= kMaxExpressions)
    throw Refusal(Refusal::Kind::too_large, "it becomes a grammar of more than " +
                                                std::to_string(kMaxExpressions) + " parts");
  nodes_.push_back(std::move(node));
  return static_cast<Expression>(nodes_.size() - 1);
}

Rules::Expression Rules::nothing() { return choice({}); }

Rules::Expression Rules::text(std::string_view utf8) {
  return add_node({Kind::text, std::string(utf8), {}, {}, 0, {}});
}

Rules::Expression Rules::characters(const CharSet& set) {
  return set.empty() ? nothing() : add_node({Kind::characters, {}, set, {}, 0, {}});
}

Rules::Expression Rules::sequence(std::vector<Expression> parts) {
  return add_node({Kind::sequence, {}, {}, std::move(parts), 0, {}});
}

Rules::Expression Rules::choice(std::vector<Expression> parts) {
  return add_node({Kind::choice, {}, {}, std::move(parts), 0, {}});
}

Rules::Expression Rules::repeat(Expression part, std::uint64_t least,
                                std::optional<std::uint64_t> most) {
  if (std::max(least, most.value_or(0)) > kMaxRepetitions)
    throw Refusal(Refusal::Kind::too_large,
                  "it counts to more than " + std::to_string(kMaxRepetitions));
  if (most && *most < least) return nothing();
  const Node& repeated = nodes_[static_cast<std::size_t>(part)];
  const bool is_narrow = repeated.kind == Kind::characters && size_of(repeated.set) <= kWide;
  if (is_narrow || most.value_or(least) <= 1)
    return add_node({Kind::repeat, {}, {}, {part}, least, most});
  if (most) return chain(part, least, *most);
  return sequence(
      {chain(part, least, least), add_node({Kind::repeat, {}, {}, {part}, 0, std::nullopt})});
}

// One rule for each time. XGrammar counts, too, but then it tries most of the vocabulary anew for
// every token (5 s for a mask, where a counted part may begin with any character).
Rules::Expression Rules::chain(Expression part, std::uint64_t least, std::uint64_t most) {
  Expression rest = text("");
  for (std::uint64_t i = most; i-- > 0;) {
    const Expression taken = sequence({part, rest});
    rest = reference(add(i < least ? taken : choice({text(""), taken})));
  }
  return rest;
}

Rules::Expression Rules::reference(Rule rule) {
  return add_node({Kind::reference, {}, {}, {rule}, 0, {}});
}

Rules::Rule Rules::declare() {
  definitions_.push_back(kUndefined);
  return static_cast<Rule>(definitions_.size() - 1);
}

void Rules::define(Rule rule, Expression expression) {
  definitions_[static_cast<std::size_t>(rule)] = expression;
}

Rules::Rule Rules::add(Expression expression) {
  const Rule rule = declare();
  define(rule, expression);
  return rule;
}

bool Rules::is_productive(Expression expression, const std::vector<bool>& rules) const {
  const Node& node = nodes_[static_cast<std::size_t>(expression)];
  const auto part_is = [&](Expression part) { return is_productive(part, rules); };
  switch (node.kind) {
    case Kind::text:
    case Kind::characters:
      return true;
    case Kind::sequence:
      return std::all_of(node.parts.begin(), node.parts.end(), part_is);
    case Kind::choice:
      return std::any_of(node.parts.begin(), node.parts.end(), part_is);
    case Kind::repeat:
      return node.least == 0 || part_is(node.parts[0]);
    case Kind::reference:
      return rules[static_cast<std::size_t>(node.parts[0])];
  }
  return false;
}

std::vector<bool> Rules::productive_rules() const {
  // Rules are tried again when one that they name has become productive.
  std::vector<std::vector<Rule>> users(definitions_.size());
  std::vector<Rule> open;
  for (std::size_t rule = 0; rule < definitions_.size(); ++rule) {
    assert(definitions_[rule] != kUndefined);
    std::vector<Expression> inside{definitions_[rule]};
    while (!inside.empty()) {
      const Node& node = nodes_[static_cast<std::size_t>(inside.back())];
      inside.pop_back();
      if (node.kind == Kind::reference) {
        users[static_cast<std::size_t>(node.parts[0])].push_back(static_cast<Rule>(rule));
      } else {
        inside.insert(inside.end(), node.parts.begin(), node.parts.end());
      }
    }
    open.push_back(static_cast<Rule>(rule));
  }
  std::vector<bool> productive(definitions_.size());
  while (!open.empty()) {
    const auto rule = static_cast<std::size_t>(open.back());
    open.pop_back();
    if (productive[rule] || !is_productive(definitions_[rule], productive)) continue;
    productive[rule] = true;
    open.insert(open.end(), users[rule].begin(), users[rule].end());
  }
  return productive;
}

// `expression` is productive.
void Rules::print(Expression expression, const std::vector<bool>& productive, bool is_nested,
                  std::vector<Rule>& used, Grammar& grammar) const {
  std::string& out = grammar.ebnf;
  const Node& node = nodes_[static_cast<std::size_t>(expression)];
  switch (node.kind) {
    case Kind::text:
      append_literal(out, node.text);
      return;
    case Kind::characters:
      append_class(out, node.set);
      if (size_of(node.set) > kWide) ++grammar.wide_states;
      return;
    case Kind::reference:
      used.push_back(node.parts[0]);
      out += rule_name(node.parts[0], used.front());
      return;
    case Kind::repeat:
      if (!is_productive(node.parts[0], productive) || node.most == 0u) {
        out += "\"\"";
        return;
      }
      out += '(';
      print(node.parts[0], productive, false, used, grammar);
      out += ')';
      if (node.most) {
        out += '{' + std::to_string(node.least) + ',' + std::to_string(*node.most) + '}';
      } else {
        out += node.least == 0 ? "*" : '{' + std::to_string(node.least) + ",}";
      }
      return;
    case Kind::sequence:
    case Kind::choice:
      break;
  }
  if (node.parts.empty()) {
    out += "\"\"";
    return;
  }
  if (is_nested) out += '(';
  bool is_first = true;
  for (const Expression part : node.parts) {
    if (node.kind == Kind::choice && !is_productive(part, productive)) continue;
    if (!is_first) out += node.kind == Kind::choice ? " | " : " ";
    is_first = false;
    print(part, productive, true, used, grammar);
  }
  if (is_nested) out += ')';
}

std::optional<Grammar> Rules::grammar(Rule root) const {
  const std::vector<bool> productive = productive_rules();
  if (!productive[static_cast<std::size_t>(root)]) return std::nullopt;
  Grammar grammar;
  std::vector<Rule> used{root};
  std::vector<bool> is_printed(definitions_.size());
  for (std::size_t i = 0; i < used.size(); ++i) {
    const Rule rule = used[i];
    if (is_printed[static_cast<std::size_t>(rule)]) continue;
    is_printed[static_cast<std::size_t>(rule)] = true;
    grammar.ebnf += rule_name(rule, root) + " ::= ";
    print(definitions_[static_cast<std::size_t>(rule)], productive, false, used, grammar);
    grammar.ebnf += '\n';
    if (grammar.ebnf.size() > kMaxGrammarBytes)
      throw Refusal(Refusal::Kind::too_large, "it becomes a grammar of more than 4 MiB");
  }
  return grammar;
}

}  // namespace gpumodel::engine::text::grammar

#include "engine/text/grammar/ebnf.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "engine/text/grammar/grammar.hpp"
#include "engine/text/grammar/refusal.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

constexpr std::size_t kMaxBytes = 256 * 1024;
constexpr int kMaxDepth = 64;

bool begins_name(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool continues_name(char32_t c) { return begins_name(c) || is_digit(c) || c == '-' || c == '.'; }

class EbnfReader {
 public:
  EbnfReader(std::string_view text, Rules& rules) : text_(text), rules_(rules) {
    if (text.size() > kMaxBytes)
      throw Refusal(Refusal::Kind::too_large, "the grammar is larger than 256 KiB");
    if (!is_valid_utf8(text)) throw Refusal(Refusal::Kind::malformed, "the grammar is not UTF-8");
  }

  Rules::Rule read() {
    skip();
    while (!at_end()) {
      const std::size_t begin = offset_;
      const std::string name = read_name();
      if (!take_if("::=")) fail("expected ::= behind a rule's name");
      Named& rule = named(name, begin);
      if (rule.is_defined) fail_at(begin, "the rule " + name + " is defined twice");
      rule.is_defined = true;
      rules_.define(rule.rule, alternatives(0));
    }
    for (const auto& [name, rule] : names_)
      if (!rule.is_defined) fail_at(rule.used_at, "the rule " + name + " is not defined");
    const auto root = names_.find("root");
    if (root == names_.end()) fail("no rule is named root");
    return root->second.rule;
  }

 private:
  struct Named {
    Rules::Rule rule;
    std::size_t used_at;
    bool is_defined = false;
  };

  [[noreturn]] void fail_at(std::size_t offset, const std::string& what,
                            Refusal::Kind kind = Refusal::Kind::malformed) const {
    const std::string_view before = text_.substr(0, offset);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
    throw Refusal(kind, "line " + std::to_string(line) + ", column " +
                            std::to_string(offset - line_begin + 1) + ": " + what);
  }
  [[noreturn]] void fail(const std::string& what,
                         Refusal::Kind kind = Refusal::Kind::malformed) const {
    fail_at(offset_, what, kind);
  }

  bool at_end() const { return offset_ == text_.size(); }
  char32_t peek() const {
    std::size_t offset = offset_;
    return at_end() ? 0 : next_code_point(text_, offset);
  }
  char32_t take() {
    if (at_end()) fail("an unexpected end");
    return next_code_point(text_, offset_);
  }
  // Takes a mark and the space behind it.
  bool take_if(std::string_view mark) {
    if (!text_.substr(offset_).starts_with(mark)) return false;
    offset_ += mark.size();
    skip();
    return true;
  }
  void skip() {
    while (!at_end()) {
      const char c = text_[offset_];
      if (c == '#') {
        offset_ = std::min(text_.find('\n', offset_), text_.size());
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++offset_;
      } else {
        return;
      }
    }
  }

  std::string read_name() {
    if (!begins_name(peek())) fail("expected a rule's name");
    const std::size_t begin = offset_;
    while (!at_end() && continues_name(peek())) ++offset_;
    std::string name(text_.substr(begin, offset_ - begin));
    skip();
    return name;
  }

  Named& named(const std::string& name, std::size_t offset) {
    const auto known = names_.find(name);
    if (known != names_.end()) return known->second;
    return names_.emplace(name, Named{rules_.declare(), offset}).first->second;
  }

  // Whether a rule's name and ::= come next.
  bool at_definition() {
    const std::size_t begin = offset_;
    if (!begins_name(peek())) return false;
    read_name();
    const bool is_definition = text_.substr(offset_).starts_with("::=");
    offset_ = begin;
    return is_definition;
  }

  Rules::Expression alternatives(int depth) {
    if (depth > kMaxDepth) fail("groups deeper than 64", Refusal::Kind::too_large);
    std::vector<Rules::Expression> ways;
    do {
      ways.push_back(sequence(depth));
    } while (take_if("|"));
    return rules_.choice(std::move(ways));
  }

  Rules::Expression sequence(int depth) {
    std::vector<Rules::Expression> parts;
    while (!at_end() && peek() != '|' && peek() != ')' && !at_definition())
      parts.push_back(repeated(part(depth)));
    return rules_.sequence(std::move(parts));
  }

  Rules::Expression repeated(Rules::Expression part) {
    Rules::Expression whole = part;
    if (take_if("*")) {
      whole = rules_.repeat(part, 0, std::nullopt);
    } else if (take_if("+")) {
      whole = rules_.repeat(part, 1, std::nullopt);
    } else if (take_if("?")) {
      whole = rules_.repeat(part, 0, 1);
    } else if (take_if("{")) {
      const std::uint64_t least = number();
      std::optional<std::uint64_t> most = least;
      if (take_if(",")) most = is_digit(peek()) ? std::optional(number()) : std::nullopt;
      if (!take_if("}")) fail("expected }");
      if (most && *most < least) fail("a repetition from more to less");
      whole = rules_.repeat(part, least, most);
    }
    if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{')
      fail("a repetition of a repetition; put the first in parentheses");
    return whole;
  }

  std::uint64_t number() {
    if (!is_digit(peek())) fail("expected a number");
    std::uint64_t value = 0;
    while (is_digit(peek())) {
      value = value * 10 + (take() - '0');
      if (value > kMaxCount) fail("counts to more than 1,000", Refusal::Kind::too_large);
    }
    skip();
    return value;
  }

  Rules::Expression part(int depth) {
    const std::size_t begin = offset_;
    if (take_if("(")) {
      const Rules::Expression inside = alternatives(depth + 1);
      if (!take_if(")")) fail("expected )");
      return inside;
    }
    if (peek() == '"') return literal();
    if (peek() == '[') return character_class();
    if (begins_name(peek())) return rules_.reference(named(read_name(), begin).rule);
    fail("expected a literal, a class, a name or a group");
  }

  Rules::Expression literal() {
    take();
    std::string text;
    while (peek() != '"' || at_end()) append_code_point(text, character());
    take();
    skip();
    return rules_.text(text);
  }

  Rules::Expression character_class() {
    const std::size_t begin = offset_;
    take();
    bool is_negated = false;
    if (peek() == '^') {
      is_negated = true;
      take();
    }
    CharSet set;
    while (at_end() || peek() != ']') {
      const char32_t first = character();
      char32_t last = first;
      if (text_.substr(offset_).starts_with('-') && !text_.substr(offset_).starts_with("-]")) {
        take();
        last = character();
      }
      if (last < first) fail("a range from more to less");
      set = set | CharSet(first, last);
    }
    take();
    skip();
    set = is_negated ? set.complement() : set & CharSet::all();
    if (set.empty()) fail_at(begin, "an empty class");
    return rules_.characters(set);
  }

  // Of a literal or a class, an escape or the character itself.
  char32_t character() {
    const char32_t c = take();
    if (c == '\n') fail("a line's end within a literal or class; write \\n");
    if (c != '\\') return c;
    const char32_t escaped = take();
    switch (escaped) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return hexadecimal(2);
      case 'u':
        return hexadecimal(4);
      case 'U':
        return hexadecimal(8);
      case '"':
      case '\\':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/':
        return escaped;
      default:
        fail("an escape that is not known");
    }
  }

  char32_t hexadecimal(int count) {
    std::uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
      const char32_t c = take();
      const bool is_letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (!is_digit(c) && !is_letter) fail("expected " + std::to_string(count) + " hex digits");
      value = value * 16 + (is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (value > kLastCharacter || (value >= 0xD800 && value <= 0xDFFF))
      fail("no character has that number");
    return value;
  }

  static constexpr std::uint64_t kMaxCount = 1000;

  std::string_view text_;
  Rules& rules_;
  std::map<std::string, Named> names_;
  std::size_t offset_ = 0;
};

}  // namespace

Rules::Rule read_ebnf(std::string_view text, Rules& rules) {
  return EbnfReader(text, rules).read();
}

Grammar ebnf_grammar(std::string_view text) {
  Rules rules;
  const Rules::Rule root = read_ebnf(text, rules);
  const std::optional<Grammar> grammar = rules.grammar(root);
  if (!grammar) throw Refusal(Refusal::Kind::malformed, "no text matches the grammar");
  return *grammar;
}

}  // namespace gpumodel::engine::text::grammar

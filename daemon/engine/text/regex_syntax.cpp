#include "engine/text/regex_syntax.hpp"

#include <fmt/core.h>

#include <charconv>
#include <optional>

#include "engine/text/char_class.hpp"
#include "engine/text/regex.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {
namespace {

constexpr std::size_t kMaxPatternBytes = 64 * 1024;
constexpr int kMaxDepth = 64;
constexpr int kMaxStackedQuantifiers = 4;
constexpr unsigned kMaxRepeat = 65535;  // PCRE2's

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_ascii_alnum(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string literal(char32_t c) {
  std::string out;
  if (c < 0x21 || c == 0x7F) return fmt::format("\\x{:02x}", static_cast<unsigned>(c));
  if (c < 0x80 && !is_ascii_alnum(c)) out.push_back('\\');
  append_code_point(out, c);
  return out;
}

class Translator {
 public:
  Translator(std::string_view in, bool newer) : in_(in), newer_(newer) {}

  TranslatedPattern run() {
    alternatives();
    if (!at_end()) fail("unmatched )");
    return {std::move(out_), grew_};
  }

 private:
  [[noreturn]] static void fail(const std::string& what) {
    throw BadPattern("the regular expression is malformed or not supported: " + what);
  }

  bool at_end() const { return at_ == in_.size(); }
  char peek() const { return at_end() ? '\0' : in_[at_]; }
  bool accept(std::string_view what) {
    if (!in_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  char32_t take() {
    if (at_end()) fail("it ends too early");
    return next_code_point(in_, at_);
  }

  // Everything up to the end or to an unmatched ')'.
  void alternatives() {
    if (++depth_ > kMaxDepth) fail("groups are nested too deeply");
    while (!at_end() && peek() != ')') {
      if (accept("|")) {
        out_.push_back('|');
      } else {
        const std::size_t atom = out_.size();
        quantifiers(atom, term());
      }
    }
    --depth_;
  }

  // One term; says whether a quantifier may follow.
  bool term() {
    switch (peek()) {
      case '(':
        return group();
      case '[': {
        ++at_;
        out_ += char_class();
        return true;
      }
      case '\\':
        ++at_;
        return escape();
      case '.':
        ++at_;
        out_.push_back('.');
        return true;
      case '^':
      case '$':
        out_.push_back(in_[at_++]);
        return false;
      case '*':
      case '+':
      case '?':
        fail("nothing to repeat");
      default:
        out_ += literal(take());
        return true;
    }
  }

  bool group() {
    ++at_;
    bool repeatable = true;
    if (!accept("?")) {
      out_ += "(?:";  // nothing can refer to a group, so none captures
    } else if (accept("#")) {
      while (take() != ')') {
      }
      return false;
    } else if (accept("<=")) {
      out_ += "(?<=";
      repeatable = false;
    } else if (accept("<!")) {
      out_ += "(?<!";
      repeatable = false;
    } else if (peek() == '=' || peek() == '!') {
      out_ += std::string("(?") + in_[at_++];
      repeatable = false;
    } else if (peek() == ':' || peek() == '>') {
      out_ += std::string("(?") + in_[at_++];
    } else if (options()) {
      return false;
    }
    alternatives();
    if (!accept(")")) fail("unmatched (");
    out_.push_back(')');
    return repeatable;
  }

  // (?i:...) and (?m-i:...), whose body is left to the caller, and (?i) at the start of a group,
  // which reaches to its end; then true.
  bool options() {
    const bool first_in_group = out_.empty() || out_.ends_with("(?:");
    std::string set = "(?";
    for (;;) {
      const char32_t c = take();
      if (c == ':' || c == ')') {
        // Oniguruma lets (?i) in the middle swallow the alternatives behind it.
        if (c == ')' && !first_in_group) fail("options in the middle of a group");
        out_ += set + static_cast<char>(c);
        return c == ')';
      }
      if (c != 'i' && c != 'm' && !(c == '-' && set.find('-') == std::string::npos)) {
        fail("this kind of group");
      }
      set.push_back(c == 'm' ? 's' : static_cast<char>(c));  // Ruby's m: the dot takes newlines
    }
  }

  bool escape() {
    const char32_t c = take();
    switch (c) {
      case 'A':
      case 'z':
      case 'Z':
        out_ += {'\\', static_cast<char>(c)};
        return false;
      case 'b':
        out_ += word_boundary(true);
        return false;
      case 'B':
        out_ += word_boundary(false);
        return false;
      case 'R':
        out_ += "\\R";
        return true;
      default:
        break;
    }
    CharClass set;
    bool negated = false;
    if (class_escape(c, set, negated)) {
      out_ += negated ? set.negated_expression() : set.expression();
    } else {
      out_ += literal(escaped_character(c));
    }
    return true;
  }

  std::string word_boundary(bool at_boundary) {
    CharClass word_set;
    property_class("word", newer_, word_set, grew_);
    const std::string w = word_set.expression();
    return at_boundary ? fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", w)
                       : fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", w);
  }

  // \d, \S, \p{L} and the like, after the backslash and `c`.
  bool class_escape(char32_t c, CharClass& set, bool& negated) {
    std::string_view name;
    switch (c) {
      case 'd':
      case 'D':
        name = "digit";
        break;
      case 's':
      case 'S':
        name = "space";
        break;
      case 'w':
      case 'W':
        name = "word";
        break;
      case 'h':
      case 'H':
        name = "hex";
        break;
      case 'p':
      case 'P': {
        if (!accept("{")) fail("\\p without {}");
        negated = accept("^");
        const std::size_t end = in_.find('}', at_);
        if (end == std::string_view::npos) fail("\\p{ without }");
        name = in_.substr(at_, end - at_);
        at_ = end + 1;
        if (name.empty() || name[0] < 'A' || name[0] > 'Z' ||
            !property_class(name, newer_, set, grew_)) {
          fail(fmt::format("the property {:?}", name));
        }
        negated = negated != (c == 'P');
        return true;
      }
      default:
        return false;
    }
    property_class(name, newer_, set, grew_);
    negated = c < 'a';
    return true;
  }

  // The character that an escape means, after the backslash and `c`.
  char32_t escaped_character(char32_t c) {
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case 'a':
        return '\a';
      case 'e':
        return 0x1B;
      case 'x':
        return accept("{") ? braced_hex() : hex(2);
      case 'u':
        return hex(4);
      case '0':
        if (!is_digit(peek())) return 0;
        break;
      default:
        if (!is_ascii_alnum(c)) return c;
    }
    fail(fmt::format("the escape \\{}", static_cast<char>(c)));
  }

  char32_t code_point(std::string_view digits) {
    unsigned value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc() || end != digits.data() + digits.size() || value > 0x10FFFF ||
        (value >= 0xD800 && value < 0xE000)) {
      fail("a malformed hexadecimal escape");
    }
    return value;
  }
  char32_t braced_hex() {
    const std::size_t end = in_.find('}', at_);
    if (end == std::string_view::npos) fail("\\x{ without }");
    const char32_t c = code_point(in_.substr(at_, end - at_));
    at_ = end + 1;
    return c;
  }
  char32_t hex(std::size_t digits) {
    const char32_t c = code_point(in_.substr(at_, digits));
    // \xHH above ASCII means a byte, not a character.
    if (in_.size() - at_ < digits || (digits == 2 && c > 0x7F)) fail("a hexadecimal escape");
    at_ += digits;
    return c;
  }

  // After the opening bracket; takes the closing one.
  std::string char_class() {
    if (++depth_ > kMaxDepth) fail("sets are nested too deeply");
    const bool negated = accept("^");
    std::string intersected;
    CharClass set;
    bool first = true;
    for (;; first = false) {
      if (at_end()) fail("[ without ]");
      if (!first && accept("]")) break;
      if (accept("&&")) {
        if (set.empty()) fail("an empty set before &&");
        intersected += "(?=" + set.expression() + ")";
        set = CharClass();
      } else {
        class_item(set);
      }
    }
    --depth_;
    if (set.empty()) fail("an empty set");
    if (!intersected.empty()) {
      CharClass both;
      both.add_set("(?:" + intersected + set.expression() + ")");
      set = both;
    }
    return negated ? set.negated_expression() : set.expression();
  }

  void class_item(CharClass& set) {
    if (accept("[")) {
      if (peek() == ':') fail("POSIX brackets");
      set.add_set(char_class());
      return;
    }
    char32_t first = take();
    if (first == '\\') {
      first = take();
      CharClass inner;
      bool negated = false;
      if (class_escape(first, inner, negated)) {
        if (peek() == '-' && at_ + 1 < in_.size() && in_[at_ + 1] != ']') {
          fail("a range that starts with a set");
        }
        negated ? set.add_set(inner.negated_expression()) : set.add(inner);
        return;
      }
      first = first == 'b' ? '\b' : escaped_character(first);
    }
    if (peek() != '-' || at_ + 1 >= in_.size() || in_[at_ + 1] == ']' || in_[at_ + 1] == '[') {
      set.add_items(literal(first));
      return;
    }
    ++at_;
    char32_t last = take();
    if (last == '\\') {
      last = take();
      CharClass unused;
      bool negated = false;
      if (class_escape(last, unused, negated)) fail("a range that ends with a set");
      last = escaped_character(last);
    }
    if (last < first) fail("a range that ends before it starts");
    set.add_items(literal(first) + "-" + literal(last));
  }

  struct Repeat {
    unsigned low;
    std::optional<unsigned> high;
  };

  // {n}, {n,}, {,m} or {n,m}; anything else after a brace is text.
  std::optional<Repeat> interval() {
    const std::size_t start = at_;
    const auto number = [&]() -> std::optional<unsigned> {
      const std::size_t begin = at_;
      while (is_digit(peek())) ++at_;
      if (begin == at_) return std::nullopt;
      unsigned value = 0;
      const auto error = std::from_chars(in_.data() + begin, in_.data() + at_, value).ec;
      if (error != std::errc() || value > kMaxRepeat) fail("a repeat count is too large");
      return value;
    };
    if (!accept("{")) return std::nullopt;
    const std::optional<unsigned> low = number();
    const bool comma = accept(",");
    const std::optional<unsigned> high = comma ? number() : low;
    if (!accept("}") || (!low && !high)) {
      at_ = start;
      return std::nullopt;
    }
    if (high && low.value_or(0) > *high) fail("a repeat count that ends before it starts");
    return Repeat{low.value_or(0), high};
  }

  // The quantifiers behind the term that starts at `atom` of the output.
  void quantifiers(std::size_t atom, bool repeatable) {
    for (int stacked = 0;;) {
      std::string quantifier;
      if (const char c = peek(); c == '*' || c == '+' || c == '?') {
        quantifier.push_back(c);
        ++at_;
        if (peek() == '?' || peek() == '+') quantifier.push_back(in_[at_++]);
      } else if (const std::optional<Repeat> repeat = interval()) {
        const std::string high = repeat->high ? std::to_string(*repeat->high) : "";
        quantifier = fmt::format("{{{},{}}}", repeat->low, high);
        // {n}? is an optional {n}; {n,m}? is lazy.
        const bool exact = repeat->high == repeat->low;
        if (!exact && accept("?")) quantifier.push_back('?');
      } else {
        return;
      }
      if (!repeatable) fail("a repeated assertion");
      if (++stacked > kMaxStackedQuantifiers) fail("too many quantifiers in a row");
      if (stacked > 1) {
        out_.insert(atom, "(?:");
        out_.push_back(')');
      }
      out_ += quantifier;
    }
  }

  std::string_view in_;
  std::size_t at_ = 0;
  bool newer_;
  bool grew_ = false;
  int depth_ = 0;
  std::string out_;
};

}  // namespace

TranslatedPattern translate_pattern(std::string_view pattern, bool newer) {
  if (pattern.size() > kMaxPatternBytes) throw BadPattern("the regular expression is too long");
  return Translator(pattern, newer).run();
}

}  // namespace gpumodel::engine::text

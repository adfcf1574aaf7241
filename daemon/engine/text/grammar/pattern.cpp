#include "engine/text/grammar/pattern.hpp"

#include <optional>
#include <string>
#include <utility>

#include "engine/text/grammar/char_classes.hpp"
#include "engine/text/grammar/network.hpp"
#include "engine/text/grammar/refusal.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

constexpr unsigned kMaxRepeats = 1000;
constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxPatternBytes = 16 * 1024;

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Where a part of the expression begins and ends in the network.
struct Fragment {
  Network::StateId first;
  Network::StateId last;
};

// Recursive descent; every quantified part is read again for each copy of it.
class PatternReader {
 public:
  PatternReader(std::string_view expression, Reading reading, Network& network)
      : expression_(expression), reading_(reading), network_(network) {
    if (expression.size() > kMaxPatternBytes)
      throw Refusal(Refusal::Kind::too_large, "a pattern is longer than 16 KiB");
    if (!is_valid_utf8(expression))
      throw Refusal(Refusal::Kind::malformed, "a pattern is not UTF-8");
  }

  Fragment read() {
    const Fragment whole = alternatives(0);
    if (!at_end()) fail("an unmatched )");
    return whole;
  }

 private:
  [[noreturn]] void fail(const std::string& what,
                         Refusal::Kind kind = Refusal::Kind::malformed) const {
    throw Refusal(
        kind, "in the pattern " + quoted() + ": " + what + " at offset " + std::to_string(offset_));
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    fail(what + " is not supported", Refusal::Kind::unsupported);
  }
  std::string quoted() const {
    constexpr std::size_t kShown = 80;
    std::string shown(expression_.substr(0, kShown));
    while (!is_valid_utf8(shown)) shown.pop_back();
    return '"' + shown + (expression_.size() > kShown ? "..." : "") + '"';
  }

  bool at_end() const { return offset_ == expression_.size(); }
  char32_t peek() const {
    std::size_t offset = offset_;
    return at_end() ? 0 : next_code_point(expression_, offset);
  }
  char32_t take() {
    if (at_end()) fail("an unexpected end");
    return next_code_point(expression_, offset_);
  }
  bool take_if(char32_t c) {
    if (at_end() || peek() != c) return false;
    take();
    return true;
  }

  Fragment silent() {
    const Network::StateId state = network_.add_state();
    return {state, state};
  }
  Fragment reads(const CharSet& set) {
    const Fragment part{network_.add_state(), network_.add_state()};
    network_.connect(part.first, part.last, set);
    return part;
  }
  Fragment joined(Fragment a, Fragment b) {
    network_.connect(a.last, b.first);
    return {a.first, b.last};
  }

  Fragment alternatives(int depth) {
    if (depth > kMaxDepth) fail("groups too deep", Refusal::Kind::too_large);
    const Fragment whole{network_.add_state(), network_.add_state()};
    do {
      const Fragment branch = sequence(depth);
      network_.connect(whole.first, branch.first);
      network_.connect(branch.last, whole.last);
    } while (take_if('|'));
    return whole;
  }

  Fragment sequence(int depth) {
    Fragment whole = silent();
    while (!at_end() && peek() != '|' && peek() != ')') whole = joined(whole, quantified(depth));
    return whole;
  }

  struct Counts {
    unsigned least;
    std::optional<unsigned> most;
  };

  Fragment quantified(int depth) {
    const std::size_t begin = offset_;
    Fragment part = atom(depth);
    const bool is_anchor = last_was_anchor_;
    const std::optional<Counts> counts = quantifier();
    if (!counts) return part;
    if (is_anchor) unsupported("a quantifier behind an anchor");
    const std::size_t end = offset_;
    const auto copy = [&] {
      offset_ = begin;
      return atom(depth);
    };
    Fragment whole = silent();
    for (unsigned i = 0; i < counts->least; ++i) whole = joined(whole, i == 0 ? part : copy());
    if (!counts->most) {
      const Fragment loop = counts->least == 0 ? part : copy();
      const Fragment many = silent();
      network_.connect(many.first, loop.first);
      network_.connect(loop.last, many.first);
      whole = joined(whole, many);
    } else {
      const Network::StateId out = network_.add_state();
      for (unsigned i = counts->least; i < *counts->most; ++i) {
        network_.connect(whole.last, out);
        whole = joined(whole, i == 0 ? part : copy());
      }
      network_.connect(whole.last, out);
      whole.last = out;
    }
    offset_ = end;
    return whole;
  }

  std::optional<Counts> quantifier() {
    std::optional<Counts> counts;
    if (take_if('*')) {
      counts = {0, std::nullopt};
    } else if (take_if('+')) {
      counts = {1, std::nullopt};
    } else if (take_if('?')) {
      counts = {0, 1u};
    } else if (peek() == '{') {
      counts = braces();
    }
    if (!counts) return counts;
    take_if('?');  // reluctant: the same texts
    if (!at_end() && (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{'))
      unsupported("a quantifier behind a quantifier");
    return counts;
  }

  Counts braces() {
    take();
    if (!is_digit(peek())) unsupported("a { that begins no {n}, {n,} or {n,m}");
    const unsigned least = number();
    std::optional<unsigned> most(least);
    if (take_if(',')) {
      most.reset();
      if (is_digit(peek())) most.emplace(number());
    }
    if (!take_if('}')) unsupported("a { that begins no {n}, {n,} or {n,m}");
    if (most && *most < least) fail("a quantifier from more to less");
    return {least, most};
  }

  unsigned number() {
    unsigned value = 0;
    while (is_digit(peek())) {
      value = value * 10 + static_cast<unsigned>(take() - '0');
      if (value > kMaxRepeats)
        fail("more than " + std::to_string(kMaxRepeats) + " repetitions", Refusal::Kind::too_large);
    }
    return value;
  }

  Fragment atom(int depth) {
    last_was_anchor_ = false;
    const char32_t c = take();
    switch (c) {
      case '(':
        return group(depth);
      case '[':
        return reads(bracketed());
      case '.':
        return reads(any_but_line_ends(reading_));
      case '^':
        last_was_anchor_ = true;
        return reads(CharSet(Network::kBegin, Network::kBegin));
      case '$':
        last_was_anchor_ = true;
        return end_anchor();
      case '\\':
        return reads(escape(reading_, false));
      case '*':
      case '+':
      case '?':
        fail("nothing to repeat");
      case '{':
      case '}':
      case ']':
        unsupported("a bare bracket");
      default:
        return reads(CharSet(c, c));
    }
  }

  Fragment end_anchor() {
    Fragment end = reads(CharSet(Network::kEnd, Network::kEnd));
    if (reading_ == Reading::certain) return end;
    const Fragment newline = reads(CharSet('\n', '\n'));
    network_.connect(newline.last, end.first);
    const Network::StateId first = network_.add_state();
    network_.connect(first, newline.first);
    network_.connect(first, end.first);
    return {first, end.last};
  }

  Fragment group(int depth) {
    if (take_if('?') && !take_if(':')) unsupported("a group that begins with (? but not (?:");
    const Fragment inside = alternatives(depth + 1);
    if (!take_if(')')) fail("a group without its )");
    last_was_anchor_ = false;
    return inside;
  }

  CharSet bracketed() {
    const bool is_negated = take_if('^');
    const Reading reading = !is_negated                    ? reading_
                            : reading_ == Reading::certain ? Reading::possible
                                                           : Reading::certain;
    if (peek() == ']') unsupported("an empty class");
    CharSet set;
    while (!take_if(']')) {
      const auto [low, low_is_one] = class_member(reading);
      if (peek() != '-') {
        set = set | low;
        continue;
      }
      take();
      if (peek() == ']') {
        set = set | low | CharSet('-', '-');
        continue;
      }
      const auto [high, high_is_one] = class_member(reading);
      if (!low_is_one || !high_is_one) unsupported("a range from or to a class");
      const CharRange range{low.ranges()[0].first, high.ranges()[0].first};
      if (range.first > range.last) fail("a range from more to less");
      set = set | CharSet(range.first, range.last);
    }
    return is_negated ? set.complement() : set & CharSet::all();
  }

  std::pair<CharSet, bool> class_member(Reading reading) {
    const char32_t c = take();
    if (c == '[') {
      // Python warns that [[ and [: may change their meaning.
      if (peek() == ':') unsupported("a POSIX class");
    }
    if (c != '\\') return {CharSet(c, c), true};
    const CharSet set = escape(reading, true);
    return {set, set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last};
  }

  // Behind a backslash.
  CharSet escape(Reading reading, bool in_class) {
    const char32_t c = take();
    switch (c) {
      case 'd':
        return digits(reading);
      case 'w':
        return word_characters(reading);
      case 's':
        return white_space(reading);
      case 'D':
        return digits(opposite(reading)).complement();
      case 'W':
        return word_characters(opposite(reading)).complement();
      case 'S':
        return white_space(opposite(reading)).complement();
      case 't':
        return CharSet('\t', '\t');
      case 'n':
        return CharSet('\n', '\n');
      case 'r':
        return CharSet('\r', '\r');
      case 'f':
        return CharSet('\f', '\f');
      case 'v':
        return CharSet('\v', '\v');
      case 'x':
        return one(hexadecimal(2));
      case 'u':
        return one(hexadecimal(4));
      default:
        break;
    }
    if (is_letter(c) || is_digit(c))
      unsupported(std::string("\\") + static_cast<char>(c) + (in_class ? " in a class" : ""));
    if (c > 0x7F) unsupported("a backslash before a character beyond ASCII");
    return CharSet(c, c);
  }

  static Reading opposite(Reading reading) {
    return reading == Reading::certain ? Reading::possible : Reading::certain;
  }

  CharSet one(char32_t c) {
    if (c >= 0xD800 && c <= 0xDFFF) unsupported("half of a surrogate pair");
    return CharSet(c, c);
  }

  char32_t hexadecimal(int count) {
    char32_t value = 0;
    for (int i = 0; i < count; ++i) {
      const char32_t c = at_end() ? 0 : take();
      const bool is_hex = is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (!is_hex) unsupported("an escape of fewer hexadecimal digits than it has");
      value = value * 16 + (is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
  }

  std::string_view expression_;
  Reading reading_;
  Network& network_;
  std::size_t offset_ = 0;
  bool last_was_anchor_ = false;
};

// `around` is what may be read before and behind the expression.
Automaton compiled(std::string_view expression, Reading reading, bool is_found_anywhere) {
  Network network;
  const Network::StateId first = network.add_state();
  const Network::StateId last = network.add_state();
  const Fragment whole = PatternReader(expression, reading, network).read();
  const CharSet begin(Network::kBegin, Network::kBegin);
  const CharSet end(Network::kEnd, Network::kEnd);
  if (is_found_anywhere) {
    network.connect(first, first, CharSet::all() | begin);
    network.connect(last, last, CharSet::all() | end);
  } else {
    const Network::StateId begun = network.add_state();
    network.connect(first, begun, begin);
    network.connect(begun, whole.first);
    const Network::StateId ended = network.add_state();
    network.connect(whole.last, ended, end);
    network.connect(ended, last);
  }
  network.connect(first, whole.first);
  network.connect(whole.last, last);
  return network.determined(first, last);
}

}  // namespace

Automaton containing(std::string_view expression, Reading reading) {
  return compiled(expression, reading, true);
}

Automaton matching(std::string_view expression, Reading reading) {
  return compiled(expression, reading, false);
}

}  // namespace gpumodel::engine::text::grammar

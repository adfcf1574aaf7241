#include "engine/text/jinja/lexer.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "engine/text/jinja/string_literal.hpp"
#include "engine/text/jinja/unicode.hpp"
#include "engine/text/template_error.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

std::string normalize_newlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t at = 0; at < source.size(); ++at) {
    if (source[at] != '\r') {
      text.push_back(source[at]);
    } else {
      text.push_back('\n');
      if (at + 1 < source.size() && source[at + 1] == '\n') ++at;
    }
  }
  return text;
}

bool is_digit_in(char c, unsigned base) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0') < base;
  const char lower = static_cast<char>(c | 0x20);
  return base == 16 && lower >= 'a' && lower <= 'f';
}

std::string without_underscores(std::string_view text) {
  std::string plain(text);
  plain.erase(std::remove(plain.begin(), plain.end(), '_'), plain.end());
  return plain;
}

// How a tag is cut off from the data before it.
enum class Sign { kNone, kMinus, kPlus };

class Lexer {
 public:
  explicit Lexer(std::string source) : text_(std::move(source)) {}
  std::vector<Token> run();

 private:
  [[noreturn]] void fail(const std::string& reason) const { throw TemplateError(line_, reason); }
  bool starts_with(std::string_view what, std::size_t at) const {
    return std::string_view(text_).substr(std::min(at, text_.size())).starts_with(what);
  }
  void advance_to(std::size_t at);
  void push(TokenKind kind, std::string text) {
    tokens_.push_back({kind, line_, std::move(text), 0, 0});
  }
  std::size_t skip_space(std::size_t at) const;
  Sign sign_at(std::size_t& at) const;

  void root();
  void data(std::size_t end, Sign sign, bool variable);
  void comment(std::size_t at);
  bool raw(std::size_t begin, std::size_t at, Sign sign);
  void code(bool variable);
  bool code_end(bool variable);
  std::optional<std::size_t> block_end(std::size_t at, bool trim) const;
  void code_token();
  bool number();
  std::size_t digits_end(std::size_t at) const;
  bool name();
  void string_literal();
  void operator_token();

  std::string text_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // whether the token before ended in a line feed
  std::string brackets_;       // the closing ones that are awaited
};

void Lexer::advance_to(std::size_t at) {
  line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                       text_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  line_starting_ = at > at_ && text_[at - 1] == '\n';
  at_ = at;
}

std::size_t Lexer::skip_space(std::size_t at) const {
  while (at < text_.size()) {
    const CodePoint c = decode_at(text_, at);
    if (!is_space(c.value)) break;
    at += c.bytes;
  }
  return at;
}

Sign Lexer::sign_at(std::size_t& at) const {
  if (at < text_.size() && text_[at] == '-') return ++at, Sign::kMinus;
  if (at < text_.size() && text_[at] == '+') return ++at, Sign::kPlus;
  return Sign::kNone;
}

// Emits the text from at_ to `end`, cut as the tag that begins there asks for.
void Lexer::data(std::size_t end, Sign sign, bool variable) {
  std::string part = text_.substr(at_, end - at_);
  if (sign == Sign::kMinus) {
    std::size_t keep = 0;
    for (std::size_t at = 0; at < part.size();) {
      const CodePoint c = decode_at(part, at);
      at += c.bytes;
      if (!is_space(c.value)) keep = at;
    }
    part.resize(keep);
  } else if (sign != Sign::kPlus && !variable) {
    const std::size_t line_begin = part.rfind('\n') + 1;  // npos + 1 is 0
    if (line_begin > 0 || line_starting_) {
      std::size_t at = line_begin;
      while (at < part.size() && is_space(decode_at(part, at).value))
        at += decode_at(part, at).bytes;
      if (at == part.size()) part.resize(line_begin);
    }
  }
  if (!part.empty()) push(TokenKind::kData, std::move(part));
  advance_to(end);
}

// The end of "%}" with its sign and the white space that it swallows; nothing where there is none.
std::optional<std::size_t> Lexer::block_end(std::size_t at, bool trim) const {
  if (starts_with("-%}", at)) return skip_space(at + 3);
  if (trim && starts_with("+%}", at)) return at + 3;
  if (!starts_with("%}", at)) return std::nullopt;
  at += 2;
  return trim && at < text_.size() && text_[at] == '\n' ? at + 1 : at;
}

void Lexer::comment(std::size_t at) {
  for (;; ++at) {
    at = text_.find_first_of("+-#", at);
    if (at == std::string::npos) fail("Missing end of comment tag");
    if (starts_with("+#}", at)) return advance_to(at + 3);
    if (starts_with("-#}", at)) return advance_to(skip_space(at + 3));
    if (starts_with("#}", at)) {
      at += 2;
      return advance_to(at < text_.size() && text_[at] == '\n' ? at + 1 : at);
    }
  }
}

// {% raw %}: `at` is past the sign of the opening tag. False where it is another tag.
bool Lexer::raw(std::size_t begin, std::size_t at, Sign sign) {
  at = skip_space(at);
  if (!starts_with("raw", at)) return false;
  const auto open_end = block_end(skip_space(at + 3), false);
  if (!open_end) return false;
  data(begin, sign, false);
  advance_to(*open_end);
  for (std::size_t tag = text_.find("{%", at_); tag != std::string::npos;
       tag = text_.find("{%", tag + 1)) {
    std::size_t inside = tag + 2;
    const Sign end_sign = sign_at(inside);
    inside = skip_space(inside);
    if (!starts_with("endraw", inside)) continue;
    if (const auto end = block_end(skip_space(inside + 6), true)) {
      data(tag, end_sign, false);
      advance_to(*end);
      return true;
    }
  }
  fail("Missing end of raw directive");
}

void Lexer::root() {
  std::size_t tag = at_;
  do {
    tag = text_.find('{', tag);
  } while (tag != std::string::npos &&
           !(starts_with("{%", tag) || starts_with("{{", tag) || starts_with("{#", tag)) &&
           ++tag != 0);
  if (tag == std::string::npos) {
    push(TokenKind::kData, text_.substr(at_));
    advance_to(text_.size());
    return;
  }
  const char kind = text_[tag + 1];
  std::size_t inside = tag + 2;
  const Sign sign = sign_at(inside);
  if (kind == '%' && raw(tag, inside, sign)) return;
  data(tag, sign, kind == '{');
  if (kind == '#') return comment(inside);
  push(kind == '%' ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, {});
  advance_to(inside);
  code(kind == '{');
}

bool Lexer::code_end(bool variable) {
  if (!brackets_.empty()) return false;
  std::optional<std::size_t> end;
  if (!variable)
    end = block_end(at_, true);
  else if (starts_with("-}}", at_))
    end = skip_space(at_ + 3);
  else if (starts_with("}}", at_))
    end = at_ + 2;
  if (!end) return false;
  push(variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, {});
  advance_to(*end);
  return true;
}

void Lexer::code(bool variable) {
  while (at_ < text_.size()) {
    if (code_end(variable)) return;
    const std::size_t after_space = skip_space(at_);
    if (after_space != at_)
      advance_to(after_space);
    else
      code_token();
  }
}

void Lexer::code_token() {
  if (number() || name()) return;
  if (text_[at_] == '\'' || text_[at_] == '"') return string_literal();
  operator_token();
}

// Past digits with single underscores between them.
std::size_t Lexer::digits_end(std::size_t at) const {
  while (at < text_.size() && (is_digit_in(text_[at], 10) ||
                               (text_[at] == '_' && at + 1 < text_.size() &&
                                is_digit_in(text_[at + 1], 10) && is_digit_in(text_[at - 1], 10))))
    ++at;
  return at;
}

bool Lexer::number() {
  if (!is_digit_in(text_[at_], 10)) return false;
  const bool after_dot = at_ > 0 && text_[at_ - 1] == '.';
  const std::size_t whole_end = digits_end(at_);
  std::size_t end = whole_end;
  if (!after_dot) {
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit_in(text_[end + 1], 10))
      end = digits_end(end + 1);
    if (end < text_.size() && (text_[end] | 0x20) == 'e') {
      std::size_t exponent = end + 1;
      if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
      if (exponent < text_.size() && is_digit_in(text_[exponent], 10)) end = digits_end(exponent);
    }
    if (end != whole_end) {
      push(TokenKind::kFloat, {});
      tokens_.back().real =
          std::strtod(without_underscores(text_.substr(at_, end - at_)).c_str(), nullptr);
      advance_to(end);
      return true;
    }
  }
  unsigned base = 10;
  std::size_t begin = at_;
  if (text_[at_] == '0') {
    const char letter = at_ + 1 < text_.size() ? static_cast<char>(text_[at_ + 1] | 0x20) : '\0';
    const unsigned prefixed = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    std::size_t first = at_ + 2;
    if (first < text_.size() && text_[first] == '_') ++first;
    if (prefixed != 0 && first < text_.size() && is_digit_in(text_[first], prefixed)) {
      base = prefixed;
      begin = at_ + 2;
      end = first;
      while (end < text_.size() &&
             (is_digit_in(text_[end], base) ||
              (text_[end] == '_' && end + 1 < text_.size() && is_digit_in(text_[end + 1], base))))
        ++end;
    } else {  // 0, 00, 0_0: Jinja ends a number that begins with 0 before another digit
      end = at_ + 1;
      while (end < text_.size() &&
             (text_[end] == '0' ||
              (text_[end] == '_' && end + 1 < text_.size() && text_[end + 1] == '0')))
        ++end;
    }
  }
  const std::string digits = without_underscores(text_.substr(begin, end - begin));
  push(TokenKind::kInteger, {});
  const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(),
                                             tokens_.back().integer, static_cast<int>(base));
  if (error != std::errc{} || last != digits.data() + digits.size())
    fail("an integer does not fit 64 bits, which is all that templates get here");
  advance_to(end);
  return true;
}

bool Lexer::name() {
  std::size_t end = at_;
  while (end < text_.size()) {
    const CodePoint c = decode_at(text_, end);
    if (!is_word(c.value)) break;
    end += c.bytes;
  }
  if (end == at_) return false;
  push(TokenKind::kName, text_.substr(at_, end - at_));
  advance_to(end);
  return true;
}

void Lexer::string_literal() {
  const char quote = text_[at_];
  std::size_t end = at_ + 1;
  while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
  if (end >= text_.size()) fail(fmt::format("unexpected char '{}': the string has no end", quote));
  push(TokenKind::kString,
       unescape_string_literal(std::string_view(text_).substr(at_ + 1, end - at_ - 1), line_));
  advance_to(end + 1);
}

void Lexer::operator_token() {
  constexpr std::array<std::string_view, 6> kPairs{"//", "**", "==", "!=", ">=", "<="};
  const auto* pair = std::find_if(kPairs.begin(), kPairs.end(),
                                  [&](std::string_view each) { return starts_with(each, at_); });
  const std::size_t size = pair != kPairs.end() ? 2 : 1;
  const char c = text_[at_];
  if (size == 1 && std::string_view("+-/*%~[](){}<>=.:|,;").find(c) == std::string_view::npos)
    fail(fmt::format("unexpected char '{}'", text_.substr(at_, decode_at(text_, at_).bytes)));
  if (c == '(') brackets_.push_back(')');
  if (c == '[') brackets_.push_back(']');
  if (c == '{') brackets_.push_back('}');
  if (c == ')' || c == ']' || c == '}') {
    if (brackets_.empty()) fail(fmt::format("unexpected '{}'", c));
    if (brackets_.back() != c)
      fail(fmt::format("unexpected '{}', expected '{}'", c, brackets_.back()));
    brackets_.pop_back();
  }
  push(TokenKind::kOperator, text_.substr(at_, size));
  advance_to(at_ + size);
}

std::vector<Token> Lexer::run() {
  while (at_ < text_.size()) root();
  push(TokenKind::kEnd, {});
  return std::move(tokens_);
}

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  std::string text = normalize_newlines(source);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return Lexer(std::move(text)).run();
}

}  // namespace gpumodel::engine::text::jinja

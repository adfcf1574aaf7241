// The formatting part of print.hpp: printf-style %, str.format and format specifications.
#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "engine/text/jinja/attributes.hpp"
#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

// Nobody pads a prompt further; Python would try to allocate what is asked for.
constexpr std::size_t kMaxWidth = 100'000;
constexpr int kMaxPrecision = 400;

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t parse_number(Runtime& runtime, std::string_view text, std::size_t& at) {
  std::size_t number = 0;
  while (at < text.size() && is_ascii_digit(text[at])) {
    number = number * 10 + static_cast<std::size_t>(text[at++] - '0');
    if (number > kMaxWidth)
      runtime.fail(fmt::format("a format asks for more than {} characters", kMaxWidth));
  }
  return number;
}

OriginText plain(std::string text) { return {std::move(text), Origin::kInput}; }

// The first `count` code points.
OriginText cut(const OriginText& text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size() && count > 0; --count) at += decode_at(text.bytes(), at).bytes;
  return text.substr(0, at);
}

double as_real_argument(Runtime& runtime, const Value& value) {
  if (value.is(Type::kUndefined)) fail_undefined(runtime, value);
  if (!value.is_number())
    runtime.fail(fmt::format("must be real number, not {}", type_name(value)));
  return value.as_real();
}

}  // namespace

std::string integer_digits(std::int64_t value, unsigned base) {
  auto magnitude =
      value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  std::string digits;
  do {
    digits.push_back("0123456789abcdef"[magnitude % base]);
    magnitude /= base;
  } while (magnitude != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string real_digits(Runtime& runtime, double value, char kind, int precision, bool alternate) {
  if (precision > kMaxPrecision)
    runtime.fail(fmt::format("a format asks for more than {} digits", kMaxPrecision));
  const std::array<char, 6> format{'%',
                                   alternate ? '#' : '.',
                                   alternate ? '.' : '*',
                                   alternate ? '*' : kind,
                                   alternate ? kind : '\0',
                                   '\0'};
  std::array<char, 800> buffer{};
  // snprintf rounds the exact binary value, as Python does.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const int length = std::snprintf(buffer.data(), buffer.size(), format.data(), precision, value);
#pragma GCC diagnostic pop
  return {buffer.data(),
          static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(buffer.size()) - 1))};
}

void append_padded(Runtime& runtime, TextBuilder& out, const OriginText& body, std::size_t width,
                   char align, std::string_view fill) {
  const std::size_t size = count_code_points(body.bytes());
  const std::size_t missing = width > size ? width - size : 0;
  std::size_t left = 0;
  if (align == '>') left = missing;
  if (align == '^') left = missing / 2;
  std::size_t skip = 0;
  if (align == '=') {  // zeros go between the sign and the digits
    skip = !body.empty() &&
                   (body.bytes()[0] == '-' || body.bytes()[0] == '+' || body.bytes()[0] == ' ')
               ? 1
               : 0;
    left = missing;
  }
  runtime.check_string(missing * fill.size() + body.size());
  out.append(body, 0, skip);
  for (std::size_t n = 0; n < left; ++n) out.append(fill, Origin::kInput);
  out.append(body, skip, body.size() - skip);
  for (std::size_t n = left; n < missing; ++n) out.append(fill, Origin::kInput);
}

// ---- format % arguments -------------------------------------------------------------------------
namespace {

struct PercentSpec {
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  std::size_t width = 0;
  int precision = -1;
  char kind = 0;
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const StringData& format, const Value& arguments)
      : runtime_(runtime),
        format_(format.text),
        text_(format_.bytes()),
        arguments_(arguments),
        out_(runtime) {}
  OriginText run();

 private:
  void conversion();
  PercentSpec parse_spec();
  std::string mapping_key();
  Value next_argument();
  void write(const PercentSpec& spec, const Value& value);
  OriginText number(const PercentSpec& spec, const Value& value);

  Runtime& runtime_;
  const OriginText& format_;
  const std::string& text_;
  const Value& arguments_;
  TextBuilder out_;
  std::size_t at_ = 0;
  std::size_t used_ = 0;
  const Value* keyed_ = nullptr;
  bool keyed_used_ = false;
};

Value PercentFormatter::next_argument() {
  if (keyed_ != nullptr) return *keyed_;
  if (arguments_.is(Type::kTuple)) {
    const Values& items = arguments_.get<SequenceData>().items;
    if (used_ >= items.size()) runtime_.fail("not enough arguments for format string");
    return items[used_++];
  }
  if (used_++ > 0) runtime_.fail("not enough arguments for format string");
  return arguments_;
}

std::string PercentFormatter::mapping_key() {
  const std::size_t begin = at_ + 1;
  std::size_t nesting = 0;
  for (; at_ < text_.size(); ++at_) {
    if (text_[at_] == '(') ++nesting;
    if (text_[at_] == ')' && --nesting == 0) {
      ++at_;
      return text_.substr(begin, at_ - 1 - begin);
    }
  }
  runtime_.fail("incomplete format key");
}

PercentSpec PercentFormatter::parse_spec() {
  PercentSpec spec;
  keyed_ = nullptr;
  if (at_ < text_.size() && text_[at_] == '(') {
    if (!arguments_.is(Type::kDict)) runtime_.fail("format requires a mapping");
    const std::string key = mapping_key();
    keyed_ = dict_find(runtime_, arguments_.get<DictData>(), key);
    if (keyed_ == nullptr) runtime_.fail(fmt::format("'{}'", key));
    keyed_used_ = true;
  }
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '-')
      spec.left = true;
    else if (c == '+')
      spec.plus = true;
    else if (c == ' ')
      spec.space = true;
    else if (c == '0')
      spec.zero = true;
    else if (c == '#')
      spec.alternate = true;
    else
      break;
  }
  if (at_ < text_.size() && text_[at_] == '*') runtime_.fail("* is not supported in a format");
  spec.width = parse_number(runtime_, text_, at_);
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    spec.precision = static_cast<int>(parse_number(runtime_, text_, at_));
  }
  while (at_ < text_.size() && (text_[at_] == 'l' || text_[at_] == 'h' || text_[at_] == 'L')) ++at_;
  if (at_ >= text_.size()) runtime_.fail("incomplete format");
  spec.kind = text_[at_++];
  return spec;
}

OriginText PercentFormatter::number(const PercentSpec& spec, const Value& value) {
  std::string digits;
  bool negative = false;
  if (std::string_view("diuoxX").find(spec.kind) != std::string_view::npos) {
    if (value.is(Type::kUndefined)) fail_undefined(runtime_, value);
    const bool decimal = spec.kind == 'd' || spec.kind == 'i' || spec.kind == 'u';
    if (!value.is_integral() && !(decimal && value.is(Type::kFloat)))
      runtime_.fail(fmt::format("%{} format: {} is required, not {}", spec.kind,
                                decimal ? "a real number" : "an integer", type_name(value)));
    if (value.is(Type::kFloat) && !(std::fabs(value.as_real()) < 9.2e18))
      runtime_.fail("cannot convert this float to an integer of 64 bits");
    const std::int64_t integer =
        value.is(Type::kFloat) ? static_cast<std::int64_t>(value.as_real()) : value.as_int();
    negative = integer < 0;
    digits = integer_digits(integer, decimal ? 10 : spec.kind == 'o' ? 8 : 16);
    if (spec.precision > static_cast<int>(digits.size()))
      digits.insert(0, static_cast<std::size_t>(spec.precision) - digits.size(), '0');
    if (spec.alternate && !decimal)
      digits = fmt::format("0{}{}", spec.kind == 'o' ? 'o' : 'x', digits);
    if (spec.kind == 'X')
      std::transform(digits.begin(), digits.end(), digits.begin(),
                     [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  } else {
    const double real = as_real_argument(runtime_, value);
    negative = std::signbit(real) && !std::isnan(real);
    digits = real_digits(runtime_, std::fabs(real), spec.kind,
                         spec.precision < 0 ? 6 : spec.precision, spec.alternate);
  }
  const char* sign = negative ? "-" : spec.plus ? "+" : spec.space ? " " : "";
  return plain(fmt::format("{}{}", sign, digits));
}

void PercentFormatter::write(const PercentSpec& spec, const Value& value) {
  OriginText body;
  bool numeric = false;
  switch (spec.kind) {
    case 's':
      body = to_text(runtime_, value);
      break;
    case 'a':
    case 'r': {
      TextBuilder repr(runtime_);
      append_repr(runtime_, repr, value);
      body = repr.take();
      break;
    }
    case 'c':
      if (value.is(Type::kString) && value.get<StringData>().length == 1) {
        body = value.get<StringData>().text;
      } else if (value.is_integral() && value.as_int() >= 0 && value.as_int() <= 0x10FFFF &&
                 (value.as_int() < 0xD800 || value.as_int() > 0xDFFF)) {
        std::string character;
        append_utf8(character, static_cast<char32_t>(value.as_int()));
        body = plain(character);
      } else {
        runtime_.fail("%c requires int or char");
      }
      break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      body = number(spec, value);
      numeric = true;
      break;
    default:
      runtime_.fail(fmt::format("unsupported format character '{}'", spec.kind));
  }
  if (!numeric && spec.precision >= 0) body = cut(body, static_cast<std::size_t>(spec.precision));
  const bool zero = numeric && spec.zero && !spec.left;
  append_padded(runtime_, out_, body, spec.width,
                spec.left ? '<'
                : zero    ? '='
                          : '>',
                zero ? "0" : " ");
}

void PercentFormatter::conversion() {
  ++at_;
  const PercentSpec spec = parse_spec();
  if (spec.kind == '%') {
    out_.append("%", format_.origin_at(at_ - 1));
    return;
  }
  write(spec, next_argument());
}

OriginText PercentFormatter::run() {
  while (at_ < text_.size()) {
    const std::size_t percent = std::min(text_.find('%', at_), text_.size());
    out_.append(format_, at_, percent - at_);
    at_ = percent;
    if (at_ < text_.size()) conversion();
  }
  // Python lets mappings, and everything with an index, go unused.
  const bool may_be_unused = keyed_used_ || arguments_.is(Type::kDict) ||
                             arguments_.is(Type::kList) || arguments_.is(Type::kUndefined) ||
                             arguments_.is(Type::kRange);
  const std::size_t given =
      arguments_.is(Type::kTuple) ? arguments_.get<SequenceData>().items.size() : 1;
  if (!may_be_unused && used_ < given)
    runtime_.fail("not all arguments converted during string formatting");
  return out_.take();
}

}  // namespace

Value percent_format(Runtime& runtime, const Value& format, const Value& arguments) {
  const auto& string = format.get<StringData>();
  return runtime.string(PercentFormatter(runtime, string, arguments).run(), string.markup);
}

// ---- format(value, spec) ------------------------------------------------------------------------
namespace {

struct FormatSpec {
  std::string_view fill = " ";
  char align = 0;
  char sign = '-';
  bool alternate = false;
  std::size_t width = 0;
  char grouping = 0;
  int precision = -1;
  char kind = 0;
};

FormatSpec parse_format_spec(Runtime& runtime, std::string_view text) {
  FormatSpec spec;
  std::size_t at = 0;
  const auto is_align = [&](std::size_t i) {
    return i < text.size() && std::string_view("<>^=").find(text[i]) != std::string_view::npos;
  };
  if (!text.empty()) {
    const std::size_t first = decode_at(text, 0).bytes;
    if (is_align(first)) {
      spec.fill = text.substr(0, first);
      spec.align = text[first];
      at = first + 1;
    } else if (is_align(0)) {
      spec.align = text[at++];
    }
  }
  const auto take = [&](std::string_view any) {
    return at < text.size() && any.find(text[at]) != std::string_view::npos;
  };
  if (take("+- ")) spec.sign = text[at++];
  if (take("#")) spec.alternate = ++at != 0;
  if (take("0")) {
    ++at;
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = '=';
    }
  }
  spec.width = parse_number(runtime, text, at);
  if (take(",_")) spec.grouping = text[at++];
  if (take(".")) {
    ++at;
    if (at >= text.size() || !is_ascii_digit(text[at]))
      runtime.fail("Format specifier missing precision");
    spec.precision = static_cast<int>(parse_number(runtime, text, at));
  }
  if (at < text.size()) spec.kind = text[at++];
  if (at != text.size()) runtime.fail("Invalid format specifier");
  return spec;
}

// 1234567.5 becomes 1,234,567.5.
void group_digits(std::string& digits, char separator, std::size_t every) {
  std::size_t whole = 0;
  while (whole < digits.size() &&
         (is_ascii_digit(digits[whole]) ||
          (every == 4 && std::isxdigit(static_cast<unsigned char>(digits[whole])))))
    ++whole;
  for (std::size_t at = whole; at > every;) {
    at -= every;
    digits.insert(at, 1, separator);
  }
}

std::string format_integer(Runtime& runtime, const FormatSpec& spec, std::int64_t value) {
  if (spec.precision >= 0) runtime.fail("Precision not allowed in integer format specifier");
  unsigned base = 10;
  const char* prefix = "";
  switch (spec.kind) {
    case 'b':
      base = 2, prefix = "0b";
      break;
    case 'o':
      base = 8, prefix = "0o";
      break;
    case 'x':
      base = 16, prefix = "0x";
      break;
    case 'X':
      base = 16, prefix = "0X";
      break;
    default:
      break;
  }
  std::string digits = integer_digits(value, base);
  if (spec.kind == 'X')
    std::transform(digits.begin(), digits.end(), digits.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  if (spec.grouping != 0) group_digits(digits, spec.grouping, base == 10 ? 3 : 4);
  return fmt::format("{}{}", spec.alternate ? prefix : "", digits);
}

std::string format_real(Runtime& runtime, const FormatSpec& spec, double value) {
  std::string digits;
  const double magnitude = std::fabs(value);
  if (spec.kind == '%') {
    digits = real_digits(runtime, magnitude * 100, 'f', spec.precision < 0 ? 6 : spec.precision,
                         spec.alternate) +
             "%";
  } else if (spec.kind == 0 && spec.precision < 0) {
    digits = real_repr(magnitude);
  } else if (spec.kind == 0) {
    // Like g, but with at least one digit past the point.
    const int precision = std::max(spec.precision, 1);
    digits = real_digits(runtime, magnitude, 'g', precision, spec.alternate);
    if (digits.find_first_of(".en") == std::string::npos) {
      digits = static_cast<int>(digits.size()) < precision
                   ? digits + ".0"
                   : real_digits(runtime, magnitude, 'e', precision - 1, spec.alternate);
    }
  } else {
    digits = real_digits(runtime, magnitude, spec.kind == 'n' ? 'g' : spec.kind,
                         spec.precision < 0 ? 6 : spec.precision, spec.alternate);
  }
  if (spec.grouping != 0) group_digits(digits, spec.grouping, 3);
  return digits;
}

}  // namespace

void append_formatted(Runtime& runtime, TextBuilder& out, const Value& value,
                      std::string_view text) {
  if (text.empty()) return append_text(runtime, out, value);
  const FormatSpec spec = parse_format_spec(runtime, text);
  if (value.is(Type::kString)) {
    if ((spec.kind != 0 && spec.kind != 's') || spec.align == '=' || spec.sign != '-' ||
        spec.grouping != 0)
      runtime.fail(fmt::format("Invalid format specifier '{}' for object of type 'str'", text));
    OriginText body = value.get<StringData>().text;
    if (spec.precision >= 0) body = cut(body, static_cast<std::size_t>(spec.precision));
    return append_padded(runtime, out, body, spec.width, spec.align == 0 ? '<' : spec.align,
                         spec.fill);
  }
  if (!value.is_number())
    runtime.fail(
        fmt::format("unsupported format string passed to {}.__format__", type_name(value)));
  const bool real_kind =
      spec.kind != 0 && std::string_view("eEfFgG%").find(spec.kind) != std::string_view::npos;
  const bool integer_kind =
      spec.kind == 0 || std::string_view("bdoxXn").find(spec.kind) != std::string_view::npos;
  std::string digits;
  bool negative = false;
  if (value.is(Type::kFloat) || real_kind) {
    if (!real_kind && spec.kind != 0 && spec.kind != 'n')
      runtime.fail(fmt::format("Unknown format code '{}' for object of type 'float'", spec.kind));
    negative = std::signbit(value.as_real()) && !std::isnan(value.as_real());
    digits = format_real(runtime, spec, value.as_real());
  } else if (integer_kind) {
    negative = value.as_int() < 0;
    digits = format_integer(runtime, spec, value.as_int());
  } else {
    runtime.fail(fmt::format("Unknown format code '{}' for object of type 'int'", spec.kind));
  }
  const char* sign = negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
  append_padded(runtime, out, plain(fmt::format("{}{}", sign, digits)), spec.width,
                spec.align == 0 ? '>' : spec.align, spec.fill);
}

// ---- str.format ---------------------------------------------------------------------------------
namespace {

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const CallArguments& arguments)
      : runtime_(runtime), arguments_(arguments) {}
  void run(TextBuilder& out, const OriginText& format, unsigned nesting);

 private:
  std::size_t field_end(const std::string& text, std::size_t at) const;
  void field(TextBuilder& out, const OriginText& format, unsigned nesting);
  Value lookup(std::string_view name);
  Value first_value(std::string_view name);

  Runtime& runtime_;
  const CallArguments& arguments_;
  std::size_t automatic_ = 0;
  bool manual_ = false;
};

// The position of the brace that closes the field which begins at `at`.
std::size_t BraceFormatter::field_end(const std::string& text, std::size_t at) const {
  unsigned nesting = 1;
  for (; at < text.size(); ++at) {
    if (text[at] == '{') ++nesting;
    if (text[at] == '}' && --nesting == 0) return at;
  }
  runtime_.fail("expected '}' before end of string");
}

Value BraceFormatter::first_value(std::string_view name) {
  const bool number = !name.empty() && std::all_of(name.begin(), name.end(), is_ascii_digit);
  if (!name.empty() && !number) {
    for (const auto& [key, value] : arguments_.keywords)
      if (key == name) return value;
    runtime_.fail(fmt::format("'{}'", name));
  }
  if (number ? automatic_ > 0 : manual_)
    runtime_.fail("cannot switch between automatic field numbering and manual field specification");
  std::size_t at = 0;
  if (number) {
    manual_ = true;
    std::size_t position = 0;
    at = parse_number(runtime_, name, position);
  } else {
    at = automatic_++;
  }
  if (at >= arguments_.positional.size())
    runtime_.fail(fmt::format("Replacement index {} out of range for positional args tuple", at));
  return arguments_.positional[at];
}

Value BraceFormatter::lookup(std::string_view name) {
  std::size_t at = std::min(name.find_first_of(".["), name.size());
  Value value = first_value(name.substr(0, at));
  while (at < name.size()) {
    if (name[at] == '.') {
      const std::size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
      value = get_attribute(runtime_, value, std::string(name.substr(at + 1, end - at - 1)));
      at = end;
    } else if (name[at] == '[') {
      const std::size_t end = name.find(']', at);
      if (end == std::string_view::npos) runtime_.fail("Missing ']' in format string");
      const std::string_view key = name.substr(at + 1, end - at - 1);
      const bool number = !key.empty() && std::all_of(key.begin(), key.end(), is_ascii_digit);
      std::size_t position = 0;
      value = get_item(
          runtime_, value,
          number ? Value::integer(static_cast<std::int64_t>(parse_number(runtime_, key, position)))
                 : runtime_.string(key));
      at = end + 1;
    } else {
      runtime_.fail("Only '.' or '[' may follow ']' in format field specifier");
    }
  }
  return value;
}

void BraceFormatter::field(TextBuilder& out, const OriginText& format, unsigned nesting) {
  const std::string& text = format.bytes();
  std::size_t end = 0;
  unsigned brackets = 0;
  for (; end < text.size(); ++end) {
    if (text[end] == '[') ++brackets;
    if (text[end] == ']' && brackets > 0) --brackets;
    if (brackets == 0 && (text[end] == ':' || text[end] == '!')) break;
  }
  Value value = lookup(std::string_view(text).substr(0, end));
  if (end < text.size() && text[end] == '!') {
    const char conversion = end + 1 < text.size() ? text[end + 1] : '\0';
    if (conversion != 'r' && conversion != 's' && conversion != 'a')
      runtime_.fail("Unknown conversion specifier");
    TextBuilder converted(runtime_);
    conversion == 's' ? append_text(runtime_, converted, value)
                      : append_repr(runtime_, converted, value);
    value = runtime_.string(converted.take());
    end += 2;
    if (end < text.size() && text[end] != ':')
      runtime_.fail("expected ':' after conversion specifier");
  }
  TextBuilder spec(runtime_);
  if (end < text.size()) run(spec, format.substr(end + 1, text.size() - end - 1), nesting + 1);
  append_formatted(runtime_, out, value, spec.take().bytes());
}

void BraceFormatter::run(TextBuilder& out, const OriginText& format, unsigned nesting) {
  if (nesting > 2) runtime_.fail("Max string recursion exceeded");
  const std::string& text = format.bytes();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t brace = std::min(text.find_first_of("{}", at), text.size());
    out.append(format, at, brace - at);
    if (brace == text.size()) return;
    runtime_.step();
    const bool doubled = brace + 1 < text.size() && text[brace + 1] == text[brace];
    if (doubled) {
      out.append(format, brace, 1);
      at = brace + 2;
    } else if (text[brace] == '}') {
      runtime_.fail("Single '}' encountered in format string");
    } else {
      const std::size_t end = field_end(text, brace + 1);
      field(out, format.substr(brace + 1, end - brace - 1), nesting);
      at = end + 1;
    }
  }
}

}  // namespace

Value brace_format(Runtime& runtime, const StringData& format, const CallArguments& arguments) {
  TextBuilder out(runtime);
  BraceFormatter(runtime, arguments).run(out, format.text, 0);
  return runtime.string(out.take(), format.markup);
}

}  // namespace gpumodel::engine::text::jinja

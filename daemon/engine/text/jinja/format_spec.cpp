// format(value, specification), of print.hpp.
#include <fmt/format.h>
#include <algorithm>
#include <cctype>
#include <cmath>

#include "engine/text/jinja/format_support.hpp"
#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
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
  if (spec.kind == 'X') std::transform(digits.begin(), digits.end(), digits.begin(), ascii_upper);
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

}  // namespace gpumodel::engine::text::jinja

#include "engine/text/jinja/string_literal.hpp"

#include <fmt/format.h>
#include <charconv>

#include "engine/text/jinja/unicode.hpp"
#include "engine/text/template_error.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

char32_t hex_escape(std::string_view body, std::size_t at, std::size_t digits, int line) {
  unsigned value = 0;
  const std::string_view hex = body.substr(at, digits);
  const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
  if (hex.size() != digits || error != std::errc{} || end != hex.data() + digits)
    throw TemplateError(line, "truncated escape in a string");
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
    throw TemplateError(line, fmt::format("the escape \\u{:x} in a string is no character", value));
  return value;
}

// The one-letter escapes; 0 for others.
char simple_escape(char c) {
  switch (c) {
    case '\\':
    case '\'':
    case '"':
      return c;
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return 0;
  }
}

}  // namespace

std::string unescape_string_literal(std::string_view body, int line) {
  std::string text;
  text.reserve(body.size());
  for (std::size_t at = 0; at < body.size(); ++at) {
    if (body[at] != '\\' || at + 1 == body.size()) {
      text.push_back(body[at]);
      continue;
    }
    const char c = body[++at];
    if (const char simple = simple_escape(c); simple != 0) {
      text.push_back(simple);
    } else if (c == '\n') {
      // A line continued: neither the backslash nor the line end is part of the string.
    } else if (c >= '0' && c <= '7') {
      unsigned value = 0;
      std::size_t digits = 0;
      for (; digits < 3 && at + digits < body.size() && body[at + digits] >= '0' &&
             body[at + digits] <= '7';
           ++digits)
        value = value * 8 + static_cast<unsigned>(body[at + digits] - '0');
      append_utf8(text, value);
      at += digits - 1;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      append_utf8(text, hex_escape(body, at + 1, digits, line));
      at += digits;
    } else if (c == 'N') {
      throw TemplateError(line,
                          "the escape \\N{...} in a string is not supported; write \\u instead");
    } else {
      text.push_back('\\');
      text.push_back(c);
    }
  }
  return text;
}

}  // namespace gpumodel::engine::text::jinja

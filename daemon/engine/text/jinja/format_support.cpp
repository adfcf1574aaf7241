// format_support.hpp, and the padding and digits of print.hpp.
#include "engine/text/jinja/format_support.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cstdio>

#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

// Nobody pads a prompt further; Python would try to allocate what is asked for.
constexpr std::size_t kMaxWidth = 100'000;
constexpr int kMaxPrecision = 400;

}  // namespace

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

char ascii_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

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

}  // namespace gpumodel::engine::text::jinja

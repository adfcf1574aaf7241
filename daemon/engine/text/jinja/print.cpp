#include "engine/text/jinja/print.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

void append_plain(TextBuilder& out, std::string_view bytes) { out.append(bytes, Origin::kInput); }

std::string escaped_code_point(char32_t c) {
  switch (c) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  const auto value = static_cast<unsigned>(c);
  if (value < 0x100) return fmt::format("\\x{:02x}", value);
  if (value < 0x10000) return fmt::format("\\u{:04x}", value);
  return fmt::format("\\U{:08x}", value);
}

void append_string_repr(Runtime& runtime, TextBuilder& out, const StringData& string) {
  const std::string& bytes = string.text.bytes();
  runtime.step_bytes(bytes.size() * 4);
  const bool double_quotes =
      bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos;
  const char quote = double_quotes ? '"' : '\'';
  if (string.markup) append_plain(out, "Markup(");
  append_plain(out, std::string_view(&quote, 1));
  std::size_t copied = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const CodePoint c = decode_at(bytes, at);
    const bool quoted = c.value == static_cast<unsigned char>(quote) || c.value == '\\';
    if (quoted || (c.value != ' ' && !is_printable(c.value))) {
      out.append(string.text, copied, at - copied);
      if (quoted) {
        append_plain(out, "\\");
        out.append(string.text, at, c.bytes);
      } else {
        append_plain(out, escaped_code_point(c.value));
      }
      copied = at + c.bytes;
    }
    at += c.bytes;
  }
  out.append(string.text, copied, bytes.size() - copied);
  append_plain(out, std::string_view(&quote, 1));
  if (string.markup) append_plain(out, ")");
}

void append_items(Runtime& runtime, TextBuilder& out, const Values& items) {
  for (std::size_t at = 0; at < items.size(); ++at) {
    if (at != 0) append_plain(out, ", ");
    append_repr(runtime, out, items[at]);
  }
}

void append_dict_items(Runtime& runtime, TextBuilder& out, const DictData& dict) {
  append_plain(out, "{");
  bool first = true;
  for (const auto& [key, value] : dict.entries) {
    if (!first) append_plain(out, ", ");
    first = false;
    append_repr(runtime, out, key);
    append_plain(out, ": ");
    append_repr(runtime, out, value);
  }
  append_plain(out, "}");
}

std::string range_repr(const RangeData& range) {
  return range.step == 1 ? fmt::format("range({}, {})", range.start, range.stop)
                         : fmt::format("range({}, {}, {})", range.start, range.stop, range.step);
}

}  // namespace

std::string real_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific)
                       .ptr;
  std::string text(buffer.data(), end);
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  const char* sign = text[0] == '-' ? "-" : "";
  std::string digits;
  for (std::size_t at = text[0] == '-' ? 1 : 0; at < e; ++at)
    if (text[at] != '.') digits.push_back(text[at]);
  // Python switches to an exponent below 1e-4 and from 1e16.
  if (exponent < -4 || exponent >= 16) {
    const char* point = digits.size() > 1 ? "." : "";
    return fmt::format("{}{}{}{}e{}{:02d}", sign, digits[0], point, digits.substr(1),
                       exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0)
    return fmt::format("{}0.{:0>{}}", sign, digits,
                       digits.size() + static_cast<std::size_t>(-exponent - 1));
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return fmt::format("{}{:0<{}}.0", sign, digits, whole);
  return fmt::format("{}{}.{}", sign, digits.substr(0, whole), digits.substr(whole));
}

void append_repr(Runtime& runtime, TextBuilder& out, const Value& value) {
  runtime.step();
  const Runtime::Descent descent(runtime);  // a namespace can hold itself
  switch (value.type()) {
    case Type::kUndefined:
      return append_plain(out, "Undefined");
    case Type::kNone:
      return append_plain(out, "None");
    case Type::kBool:
      return append_plain(out, value.as_bool() ? "True" : "False");
    case Type::kInt:
      return append_plain(out, fmt::format("{}", value.as_int()));
    case Type::kFloat:
      return append_plain(out, real_repr(value.as_real()));
    case Type::kString:
      return append_string_repr(runtime, out, value.get<StringData>());
    case Type::kList:
      append_plain(out, "[");
      append_items(runtime, out, value.get<SequenceData>().items);
      return append_plain(out, "]");
    case Type::kTuple: {
      const Values& items = value.get<SequenceData>().items;
      append_plain(out, "(");
      append_items(runtime, out, items);
      return append_plain(out, items.size() == 1 ? ",)" : ")");
    }
    case Type::kDict:
      return append_dict_items(runtime, out, value.get<DictData>());
    case Type::kRange:
      return append_plain(out, range_repr(value.get<RangeData>()));
    case Type::kView:
      append_plain(out, type_name(value) + "([");
      append_items(runtime, out, iterate(runtime, value));
      return append_plain(out, "])");
    case Type::kNamespace: {
      append_plain(out, "<Namespace {");
      bool first = true;
      for (const auto& [name, attribute] : value.get<NamespaceData>().attributes) {
        append_plain(out, fmt::format("{}'{}': ", first ? "" : ", ", name));
        first = false;
        append_repr(runtime, out, attribute);
      }
      return append_plain(out, "}>");
    }
    case Type::kFunction: {
      const auto& function = value.get<FunctionData>();
      return append_plain(out, function.macro ? fmt::format("<Macro '{}'>", function.name)
                                              : fmt::format("<function {}>", function.name));
    }
    case Type::kIterator:
    case Type::kLoop:
    case Type::kCycler:
      return append_plain(out, fmt::format("<{} object>", type_name(value)));
  }
}

void append_text(Runtime& runtime, TextBuilder& out, const Value& value) {
  if (value.is(Type::kString)) {
    out.append(value.get<StringData>().text);
  } else if (!value.is(Type::kUndefined)) {
    append_repr(runtime, out, value);
  }
}

OriginText to_text(Runtime& runtime, const Value& value) {
  if (value.is(Type::kString)) {
    runtime.step_bytes(value.get<StringData>().text.size());
    return value.get<StringData>().text;
  }
  TextBuilder out(runtime);
  append_text(runtime, out, value);
  return out.take();
}

OriginText escape_html(Runtime& runtime, const OriginText& text) {
  TextBuilder out(runtime);
  const std::string& bytes = text.bytes();
  std::size_t copied = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string_view entity;
    switch (bytes[at]) {
      case '&':
        entity = "&amp;";
        break;
      case '<':
        entity = "&lt;";
        break;
      case '>':
        entity = "&gt;";
        break;
      case '\'':
        entity = "&#39;";
        break;
      case '"':
        entity = "&#34;";
        break;
      default:
        continue;
    }
    out.append(text, copied, at - copied);
    out.append(entity, text.origin_at(at));
    copied = at + 1;
  }
  out.append(text, copied, bytes.size() - copied);
  return out.take();
}

}  // namespace gpumodel::engine::text::jinja

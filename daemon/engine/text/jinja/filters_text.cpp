// Filters that make text from text.
#include <fmt/format.h>
#include <algorithm>

#include "engine/text/jinja/arguments.hpp"
#include "engine/text/jinja/attributes.hpp"
#include "engine/text/jinja/filters.hpp"
#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/strings.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

bool is_markup(const Value& value) {
  return value.is(Type::kString) && value.get<StringData>().markup;
}

template <OriginText (*Map)(Runtime&, const OriginText&)>
Value map_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "filter", given, {});
  return runtime.string(Map(runtime, to_text(runtime, value)), is_markup(value));
}

Value trim_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "trim", given, {"chars"});
  return runtime.string(strip(runtime, to_text(runtime, value), arguments.string(0), Side::kBoth),
                        is_markup(value));
}

Value replace_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "replace", given, {"old", "new", "count"}, 2);
  const std::int64_t count = arguments.value(2).is(Type::kNone) ? -1 : arguments.integer(2, -1);
  return runtime.string(replace(runtime, to_text(runtime, value), to_text(runtime, arguments[0]),
                                to_text(runtime, arguments[1]), count));
}

Value string_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "string", given, {});
  return value.is(Type::kString) ? value : runtime.string(to_text(runtime, value));
}

Value safe_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "safe", given, {});
  return runtime.string(to_text(runtime, value), true);
}

Value escape_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "escape", given, {});
  return is_markup(value) ? value
                          : runtime.string(escape_html(runtime, to_text(runtime, value)), true);
}

Value force_escape_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "forceescape", given, {});
  return runtime.string(escape_html(runtime, to_text(runtime, value)), true);
}

Value format_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  if (!given.positional.empty() && !given.keywords.empty())
    runtime.fail("can't handle positional and keyword arguments at the same time");
  const Value format = value.is(Type::kString) ? value : runtime.string(to_text(runtime, value));
  if (given.keywords.empty())
    return percent_format(runtime, format, runtime.tuple(std::move(given.positional)));
  DictBuilder named(runtime);
  for (const auto& [name, each] : given.keywords) named.set(runtime.string(name), each);
  return percent_format(runtime, format, named.take());
}

Value center_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments arguments(runtime, "center", given, {"width"});
  const Value text = value.is(Type::kString) ? value : runtime.string(to_text(runtime, value));
  CallArguments width{{Value::integer(arguments.integer(0, 80))}, {}};
  return find_method(runtime, text, "center").get<FunctionData>().call(runtime, width);
}

const OriginText& require_string(Runtime& runtime, const Value& value, const char* filter) {
  if (value.is(Type::kUndefined)) fail_undefined(runtime, value);
  if (!value.is(Type::kString))
    runtime.fail(fmt::format("the {} filter needs a string, not {}", filter, type_name(value)));
  return value.get<StringData>().text;
}

Value indent_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "indent", given, {"width", "first", "blank"});
  OriginText text = require_string(runtime, value, "indent");
  OriginText indentation;
  if (arguments.has(0) && arguments[0].is(Type::kString)) {
    indentation = arguments[0].get<StringData>().text;
  } else {
    const auto width = static_cast<std::size_t>(std::max<std::int64_t>(arguments.integer(0, 4), 0));
    runtime.check_string(width);
    indentation = OriginText(std::string(width, ' '), Origin::kInput);
  }
  // A line feed of the template's own, as in `s += newline`; the last line is then never lost.
  text.append("\n", Origin::kInput);
  TextBuilder out(runtime);
  const bool blank = arguments.flag(2, false);
  if (arguments.flag(1, false)) out.append(indentation);
  std::size_t at = 0;
  for (const OriginText& line : split_lines(runtime, text)) {
    if (at++ != 0) {
      out.append("\n", Origin::kInput);
      if (blank || !line.empty()) out.append(indentation);
    }
    out.append(line);
  }
  return runtime.string(out.take(), is_markup(value));
}

Value truncate_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "truncate", given, {"length", "killwords", "end", "leeway"});
  const OriginText dots("...", Origin::kInput);
  const OriginText& end = arguments.has(2) ? *arguments.string(2, false) : dots;
  const std::int64_t limit = arguments.integer(0, 255);
  const std::int64_t leeway = arguments.value(3).is(Type::kNone) ? 5 : arguments.integer(3, 5);
  const auto end_length = static_cast<std::int64_t>(count_code_points(end.bytes()));
  if (limit < end_length)
    runtime.fail(fmt::format("expected length >= {}, got {}", end_length, limit));
  if (leeway < 0) runtime.fail(fmt::format("expected leeway >= 0, got {}", leeway));
  // Python measures before it cuts, so that anything short passes.
  const auto size = static_cast<std::int64_t>(length(runtime, value));
  if (size - leeway <= limit) return value;
  const OriginText& text = require_string(runtime, value, "truncate");
  std::size_t cut = 0;
  for (std::int64_t n = 0; n < limit - end_length; ++n) cut += decode_at(text.bytes(), cut).bytes;
  runtime.step_bytes(text.size());
  if (!arguments.flag(1, false)) {
    const std::size_t space = cut == 0 ? std::string::npos : text.bytes().rfind(' ', cut - 1);
    if (space != std::string::npos) cut = space;
  }
  TextBuilder out(runtime);
  out.append(text, 0, cut);
  out.append(end);
  return runtime.string(out.take(), is_markup(value));
}

Value word_count_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "wordcount", given, {});
  const OriginText text = to_text(runtime, value);
  runtime.step_bytes(text.size() * 4);
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_at(text.bytes(), at);
    const bool word = is_word(c.value);
    words += word && !inside ? 1 : 0;
    inside = word;
    at += c.bytes;
  }
  return Value::integer(words);
}

// urllib.parse.quote; in a query, blanks become + and slashes are quoted too.
OriginText url_quote(Runtime& runtime, const OriginText& text, bool in_query) {
  TextBuilder out(runtime);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text.bytes()[at];
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos ||
                       (c == '/' && !in_query);
    if (plain)
      out.append(text, at, 1);
    else if (c == ' ' && in_query)
      out.append("+", text.origin_at(at));
    else
      out.append(fmt::format("%{:02X}", static_cast<unsigned char>(c)), text.origin_at(at));
    runtime.step_bytes(16);
  }
  return out.take();
}

Value url_encode_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "urlencode", given, {});
  if (value.is(Type::kString) || !is_iterable(value))
    return runtime.string(url_quote(runtime, to_text(runtime, value), false));
  TextBuilder out(runtime);
  const Value pairs = value.is(Type::kDict) ? runtime.view(value, ViewData::Part::kItems) : value;
  for (const Value& pair : iterate(runtime, pairs)) {
    const Values parts = iterate(runtime, pair);
    if (parts.size() != 2) runtime.fail("urlencode needs pairs of a name and a value");
    if (out.size() != 0) out.append("&", Origin::kInput);
    out.append(url_quote(runtime, to_text(runtime, parts[0]), true));
    out.append("=", Origin::kInput);
    out.append(url_quote(runtime, to_text(runtime, parts[1]), true));
  }
  return runtime.string(out.take());
}

Value xml_attributes_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "xmlattr", given, {"autospace"});
  if (!value.is(Type::kDict))
    runtime.fail(fmt::format("xmlattr needs a dict, not {}", type_name(value)));
  TextBuilder out(runtime);
  for (const auto& [key, each] : value.get<DictData>().entries) {
    if (each.is(Type::kNone) || each.is(Type::kUndefined)) continue;
    const OriginText name = require_string(runtime, key, "xmlattr");
    if (name.bytes().find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
      runtime.fail("Invalid character in attribute name");
    if (out.size() != 0 || arguments.flag(0, true)) out.append(" ", Origin::kInput);
    out.append(is_markup(key) ? name : escape_html(runtime, name));
    out.append("=\"", Origin::kInput);
    out.append(is_markup(each) ? to_text(runtime, each)
                               : escape_html(runtime, to_text(runtime, each)));
    out.append("\"", Origin::kInput);
  }
  return runtime.string(out.take());
}

Value join_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "join", given, {"d", "attribute"});
  const OriginText separator = arguments.has(0) ? to_text(runtime, arguments[0]) : OriginText();
  TextBuilder out(runtime);
  bool first = true;
  for (const Value& item : iterate(runtime, value)) {
    runtime.step();
    if (!first) out.append(separator);
    first = false;
    append_text(runtime, out, get_path(runtime, item, arguments.value(1)));
  }
  return runtime.string(out.take());
}

OriginText json_separator(Runtime& runtime, const Value& value) {
  if (!value.is(Type::kString)) runtime.fail("tojson: separators must be two strings");
  return value.get<StringData>().text;
}

Value to_json_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "tojson", given,
                            {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = arguments.flag(0, false);
  style.sort_keys = arguments.flag(3, false);
  const Value indent = arguments.value(1);
  style.indented = !indent.is(Type::kNone);
  if (indent.is(Type::kString)) {
    style.indent = indent.get<StringData>().text;
  } else if (style.indented) {
    const std::int64_t width = arguments.integer(1, 0);
    runtime.check_string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)));
    style.indent =
        OriginText(std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' '),
                   Origin::kInput);
  }
  style.item_separator = OriginText(style.indented ? "," : ", ", Origin::kInput);
  style.key_separator = OriginText(": ", Origin::kInput);
  if (!arguments.value(2).is(Type::kNone)) {
    const Values separators = iterate(runtime, arguments[2]);
    if (separators.size() != 2) runtime.fail("tojson: separators must be two strings");
    style.item_separator = json_separator(runtime, separators[0]);
    style.key_separator = json_separator(runtime, separators[1]);
  }
  return to_json(runtime, value, style);
}

constexpr FilterEntry kTextFilters[] = {
    {"upper", map_filter<upper>},
    {"lower", map_filter<lower>},
    {"capitalize", map_filter<capitalize>},
    {"title", map_filter<title_words>},
    {"trim", trim_filter},
    {"replace", replace_filter},
    {"string", string_filter},
    {"safe", safe_filter},
    {"escape", escape_filter},
    {"e", escape_filter},
    {"forceescape", force_escape_filter},
    {"format", format_filter},
    {"center", center_filter},
    {"indent", indent_filter},
    {"truncate", truncate_filter},
    {"wordcount", word_count_filter},
    {"urlencode", url_encode_filter},
    {"xmlattr", xml_attributes_filter},
    {"join", join_filter},
    {"tojson", to_json_filter},
};

}  // namespace

std::span<const FilterEntry> text_filters() { return kTextFilters; }

}  // namespace gpumodel::engine::text::jinja

// Values as text: str(), repr(), JSON, and Python's three ways of formatting.
// Bytes copied from a string keep their origin; everything else (digits, quotes, brackets, padding)
// counts as input, because input may have decided it.
#pragma once

#include <string>
#include <string_view>

#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

// str(value), which is also what {{ value }} prints.
OriginText to_text(Runtime& runtime, const Value& value);
void append_text(Runtime& runtime, TextBuilder& out, const Value& value);
// repr(value).
void append_repr(Runtime& runtime, TextBuilder& out, const Value& value);
// Python's shortest float representation: 1.0, 1e-05, inf, nan.
std::string real_repr(double value);

// &, <, >, ' and " as markupsafe.escape writes them.
OriginText escape_html(Runtime& runtime, const OriginText& text);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool indented = false;
  OriginText indent;          // once per level, where indented
  OriginText item_separator;  // Python: ", ", or "," where indented
  OriginText key_separator;
};
// json.dumps(value); throws for what JSON cannot hold.
Value to_json(Runtime& runtime, const Value& value, const JsonStyle& style);

// format % arguments.
Value percent_format(Runtime& runtime, const Value& format, const Value& arguments);
// format.format(*positional, **keywords), and format_map with a dict as keywords.
Value brace_format(Runtime& runtime, const StringData& format, const CallArguments& arguments);
// format(value, spec), appended.
void append_formatted(Runtime& runtime, TextBuilder& out, const Value& value,
                      std::string_view spec);

// `body` in a field of `width` code points; align is one of < > ^ and = (after the sign).
void append_padded(Runtime& runtime, TextBuilder& out, const OriginText& body, std::size_t width,
                   char align, std::string_view fill);
// printf-style digits of a float: kind is one of e E f F g G. precision is checked.
std::string real_digits(Runtime& runtime, double value, char kind, int precision, bool alternate);
// An int in base 2, 8, 10 or 16, without its sign.
std::string integer_digits(std::int64_t value, unsigned base);

}  // namespace gpumodel::engine::text::jinja

// The methods of str.
#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <string_view>

#include "engine/text/jinja/arguments.hpp"
#include "engine/text/jinja/methods.hpp"
#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/strings.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

const OriginText& text_of(const Value& self) { return self.get<StringData>().text; }
Value like(Runtime& runtime, const Value& self, OriginText text) {
  return runtime.string(std::move(text), self.get<StringData>().markup);
}

template <OriginText (*Map)(Runtime&, const OriginText&)>
Value map_method(Runtime& runtime, const Value& self, CallArguments& given) {
  Arguments(runtime, "str method", given, {});
  return like(runtime, self, Map(runtime, text_of(self)));
}

template <Side side>
Value strip_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "strip", given, {"chars"});
  return like(runtime, self, strip(runtime, text_of(self), arguments.string(0), side));
}

Value strings_list(Runtime& runtime, const Value& self, std::vector<OriginText> parts) {
  Values items;
  for (OriginText& part : parts) items.push_back(like(runtime, self, std::move(part)));
  return runtime.list(std::move(items));
}

template <bool from_right>
Value split_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "split", given, {"sep", "maxsplit"});
  return strings_list(
      runtime, self,
      split(runtime, text_of(self), arguments.string(0), arguments.integer(1, -1), from_right));
}

Value split_lines_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "splitlines", given, {"keepends"});
  return strings_list(runtime, self, split_lines(runtime, text_of(self), arguments.flag(0, false)));
}

Value replace_method(Runtime& runtime, const Value& self, CallArguments& given) {
  // Python before 3.13 takes no keywords here.
  if (!given.keywords.empty()) runtime.fail("str.replace() takes no keyword arguments");
  const Arguments arguments(runtime, "replace", given, {"old", "new", "count"}, 2);
  OriginText to = *arguments.string(1, false);
  if (self.get<StringData>().markup && !arguments[1].get<StringData>().markup)
    to = escape_html(runtime, to);
  return like(
      runtime, self,
      replace(runtime, text_of(self), *arguments.string(0, false), to, arguments.integer(2, -1)));
}

Value join_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "join", given, {"iterable"}, 1);
  TextBuilder out(runtime);
  std::size_t at = 0;
  for (const Value& item : iterate(runtime, arguments[0])) {
    if (!item.is(Type::kString))
      runtime.fail(
          fmt::format("sequence item {}: expected str instance, {} found", at, type_name(item)));
    if (at++ != 0) out.append(text_of(self));
    const bool escapes = self.get<StringData>().markup && !item.get<StringData>().markup;
    out.append(escapes ? escape_html(runtime, text_of(item)) : text_of(item));
    runtime.step();
  }
  return like(runtime, self, out.take());
}

// A code-point range [start, end) of `self` as bytes; the optional arguments of find and its kin.
struct ByteRange {
  std::size_t begin, end;
  bool empty_by_order;  // start lies beyond end: nothing is found, not even ""
};
ByteRange byte_range(Runtime& runtime, const Value& self, const Arguments& arguments,
                     std::size_t first) {
  const auto& string = self.get<StringData>();
  const auto size = static_cast<std::int64_t>(string.length);
  const auto bound = [&](std::size_t at, std::int64_t absent) {
    if (!arguments.has(at) || arguments[at].is(Type::kNone)) return absent;
    std::int64_t value = arguments.integer(at, absent);
    if (value < 0) value = std::max<std::int64_t>(value + size, 0);
    return value;
  };
  const std::int64_t start = bound(first, 0);
  const std::int64_t end = std::min(bound(first + 1, size), size);
  if (start > end) return {0, 0, true};
  runtime.step_bytes(string.text.size() * 4);
  const auto offset = [&](std::int64_t count) {
    if (string.ascii()) return static_cast<std::size_t>(count);
    std::size_t at = 0;
    for (; count > 0; --count) at += decode_at(string.text.bytes(), at).bytes;
    return at;
  };
  return {offset(start), offset(end), false};
}

// -1 where it is not there.
std::int64_t find_in(Runtime& runtime, const Value& self, CallArguments& given, const char* name,
                     bool last) {
  const Arguments arguments(runtime, name, given, {"sub", "start", "end"}, 1);
  const std::string& wanted = arguments.string(0, false)->bytes();
  const ByteRange range = byte_range(runtime, self, arguments, 1);
  if (range.empty_by_order) return -1;
  const std::string_view part =
      std::string_view(text_of(self).bytes()).substr(range.begin, range.end - range.begin);
  const std::size_t at = last ? part.rfind(wanted) : part.find(wanted);
  if (at == std::string_view::npos) return -1;
  return static_cast<std::int64_t>(
      count_code_points(text_of(self).bytes().substr(0, range.begin + at)));
}

template <bool last, bool required>
Value find_method_of_str(Runtime& runtime, const Value& self, CallArguments& given) {
  const std::int64_t at = find_in(runtime, self, given, "find", last);
  if (required && at < 0) runtime.fail("substring not found");
  return Value::integer(at);
}

Value count_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "count", given, {"sub", "start", "end"}, 1);
  const std::string& wanted = arguments.string(0, false)->bytes();
  const ByteRange range = byte_range(runtime, self, arguments, 1);
  if (range.empty_by_order) return Value::integer(0);
  const std::string_view part =
      std::string_view(text_of(self).bytes()).substr(range.begin, range.end - range.begin);
  if (wanted.empty()) return Value::integer(static_cast<std::int64_t>(count_code_points(part)) + 1);
  std::int64_t count = 0;
  for (std::size_t at = part.find(wanted); at != std::string_view::npos;
       at = part.find(wanted, at + wanted.size()))
    ++count;
  return Value::integer(count);
}

template <bool at_end>
Value affix_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const char* name = at_end ? "endswith" : "startswith";
  const Arguments arguments(runtime, name, given, {"prefix", "start", "end"}, 1);
  const ByteRange range = byte_range(runtime, self, arguments, 1);
  const std::string_view part =
      std::string_view(text_of(self).bytes()).substr(range.begin, range.end - range.begin);
  Values affixes{arguments[0]};
  if (arguments[0].is(Type::kTuple)) affixes = arguments[0].get<SequenceData>().items;
  for (const Value& affix : affixes) {
    if (!affix.is(Type::kString))
      runtime.fail(fmt::format("{} first arg must be str or a tuple of str, not {}", name,
                               type_name(affix)));
    const std::string& wanted = text_of(affix).bytes();
    runtime.step_bytes(wanted.size());
    if (!range.empty_by_order && (at_end ? part.ends_with(wanted) : part.starts_with(wanted)))
      return Value::boolean(true);
  }
  return Value::boolean(false);
}

template <bool at_end>
Value remove_affix_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, at_end ? "removesuffix" : "removeprefix", given, {"affix"}, 1);
  const OriginText& text = text_of(self);
  const std::string& affix = arguments.string(0, false)->bytes();
  if (at_end ? !text.bytes().ends_with(affix) : !text.bytes().starts_with(affix)) return self;
  return like(runtime, self, text.substr(at_end ? 0 : affix.size(), text.size() - affix.size()));
}

template <bool from_right>
Value partition_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "partition", given, {"sep"}, 1);
  const OriginText& text = text_of(self);
  const std::string& mark = arguments.string(0, false)->bytes();
  if (mark.empty()) runtime.fail("empty separator");
  runtime.step_bytes(text.size());
  const std::size_t at = from_right ? text.bytes().rfind(mark) : text.bytes().find(mark);
  const Value empty = like(runtime, self, {});
  if (at == std::string::npos)
    return from_right ? runtime.tuple({empty, empty, self}) : runtime.tuple({self, empty, empty});
  const std::size_t after = at + mark.size();
  return runtime.tuple({like(runtime, self, text.substr(0, at)),
                        like(runtime, self, text.substr(at, mark.size())),
                        like(runtime, self, text.substr(after, text.size() - after))});
}

template <char align>
Value justify_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "ljust/rjust/center", given, {"width", "fillchar"}, 1);
  const OriginText* fill = arguments.string(1);
  if (fill != nullptr && count_code_points(fill->bytes()) != 1)
    runtime.fail("The fill character must be exactly one character long");
  const auto width = static_cast<std::size_t>(std::max<std::int64_t>(arguments.integer(0, 0), 0));
  runtime.check_string(width);
  TextBuilder out(runtime);
  const std::size_t length = self.get<StringData>().length;
  if (align == '^' && width > length) {
    // Python's center puts the odd blank to the left where the width is odd.
    const std::size_t missing = width - length;
    const std::size_t left = missing / 2 + (missing & width & 1);
    append_padded(runtime, out, text_of(self), length + left, '>',
                  fill == nullptr ? " " : std::string_view(fill->bytes()));
    const OriginText half = out.take();
    TextBuilder whole(runtime);
    append_padded(runtime, whole, half, width, '<',
                  fill == nullptr ? " " : std::string_view(fill->bytes()));
    return like(runtime, self, whole.take());
  }
  append_padded(runtime, out, text_of(self), width, align,
                fill == nullptr ? " " : std::string_view(fill->bytes()));
  return like(runtime, self, out.take());
}

Value zero_fill_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "zfill", given, {"width"}, 1);
  const auto width = static_cast<std::size_t>(std::max<std::int64_t>(arguments.integer(0, 0), 0));
  runtime.check_string(width);
  TextBuilder out(runtime);
  append_padded(runtime, out, text_of(self), width, '=', "0");
  return like(runtime, self, out.take());
}

template <bool (*Accept)(char32_t)>
Value all_method(Runtime& runtime, const Value& self, CallArguments& given) {
  Arguments(runtime, "str method", given, {});
  const std::string& bytes = text_of(self).bytes();
  runtime.step_bytes(bytes.size() * 4);
  for (std::size_t at = 0; at < bytes.size();) {
    const CodePoint c = decode_at(bytes, at);
    if (!Accept(c.value)) return Value::boolean(false);
    at += c.bytes;
  }
  return Value::boolean(!bytes.empty());
}

bool is_alphanumeric(char32_t c) { return is_alphabetic(c) || is_numeric(c); }

template <bool (*Test)(const std::string&)>
Value case_method(Runtime& runtime, const Value& self, CallArguments& given) {
  Arguments(runtime, "str method", given, {});
  runtime.step_bytes(text_of(self).size() * 4);
  return Value::boolean(Test(text_of(self).bytes()));
}

Value format_method(Runtime& runtime, const Value& self, CallArguments& given) {
  return brace_format(runtime, self.get<StringData>(), given);
}

Value format_map_method(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "format_map", given, {"mapping"}, 1);
  if (!arguments[0].is(Type::kDict)) runtime.fail("format_map() needs a dict");
  CallArguments mapped;
  for (const auto& [key, value] : arguments[0].get<DictData>().entries)
    if (key.is(Type::kString)) mapped.keywords.emplace_back(text_of(key).bytes(), value);
  return brace_format(runtime, self.get<StringData>(), mapped);
}

constexpr MethodEntry kStringMethods[] = {
    {"upper", map_method<upper>},
    {"lower", map_method<lower>},
    {"casefold", map_method<lower>},
    {"capitalize", map_method<capitalize>},
    {"title", map_method<title>},
    {"swapcase", map_method<swap_case>},
    {"strip", strip_method<Side::kBoth>},
    {"lstrip", strip_method<Side::kLeft>},
    {"rstrip", strip_method<Side::kRight>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", split_lines_method},
    {"replace", replace_method},
    {"join", join_method},
    {"find", find_method_of_str<false, false>},
    {"rfind", find_method_of_str<true, false>},
    {"index", find_method_of_str<false, true>},
    {"rindex", find_method_of_str<true, true>},
    {"count", count_method},
    {"startswith", affix_method<false>},
    {"endswith", affix_method<true>},
    {"removeprefix", remove_affix_method<false>},
    {"removesuffix", remove_affix_method<true>},
    {"partition", partition_method<false>},
    {"rpartition", partition_method<true>},
    {"ljust", justify_method<'<'>},
    {"rjust", justify_method<'>'>},
    {"center", justify_method<'^'>},
    {"zfill", zero_fill_method},
    {"format", format_method},
    {"format_map", format_map_method},
    {"isalpha", all_method<is_alphabetic>},
    {"isalnum", all_method<is_alphanumeric>},
    {"isdigit", all_method<is_digit>},
    {"isdecimal", all_method<is_decimal_digit>},
    {"isnumeric", all_method<is_numeric>},
    {"isspace", all_method<is_space>},
    {"islower", case_method<is_lower_text>},
    {"isupper", case_method<is_upper_text>},
};

}  // namespace

std::span<const MethodEntry> string_methods() { return kStringMethods; }

}  // namespace gpumodel::engine::text::jinja

// str.format, of print.hpp.
#include <fmt/format.h>
#include <algorithm>

#include "engine/text/jinja/attributes.hpp"
#include "engine/text/jinja/format_support.hpp"
#include "engine/text/jinja/print.hpp"

namespace gpumodel::engine::text::jinja {
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

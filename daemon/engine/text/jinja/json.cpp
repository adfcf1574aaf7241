// The tojson filter's part of print.hpp: Python's json.dumps.
#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style)
      : runtime_(runtime), style_(style), out_(runtime) {}
  void write(const Value& value);
  OriginText take() { return out_.take(); }

 private:
  void plain(std::string_view bytes) { out_.append(bytes, Origin::kInput); }
  void write_string(const StringData& string);
  void write_key(const Value& key);
  void write_list(const Values& items);
  void write_dict(const DictData& dict);
  void new_line();
  std::string escape(char32_t c) const;

  Runtime& runtime_;
  const JsonStyle& style_;
  TextBuilder out_;
  std::size_t level_ = 0;
};

std::string json_real(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return real_repr(value);
}

// Empty where the code point stays as it is.
std::string JsonWriter::escape(char32_t c) const {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\f':
      return "\\f";
    case '\b':
      return "\\b";
    default:
      break;
  }
  const auto value = static_cast<unsigned>(c);
  if (value >= 0x20 && (value < 0x7F || !style_.ensure_ascii)) return {};
  if (value < 0x10000) return fmt::format("\\u{:04x}", value);
  const unsigned offset = value - 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (offset >> 10), 0xDC00 + (offset & 0x3FF));
}

void JsonWriter::write_string(const StringData& string) {
  const std::string& bytes = string.text.bytes();
  runtime_.step_bytes(bytes.size() * 4);
  plain("\"");
  std::size_t copied = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const CodePoint c = decode_at(bytes, at);
    const std::string escaped = escape(c.value);
    if (!escaped.empty()) {
      out_.append(string.text, copied, at - copied);
      plain(escaped);
      copied = at + c.bytes;
    }
    at += c.bytes;
  }
  out_.append(string.text, copied, bytes.size() - copied);
  plain("\"");
}

void JsonWriter::new_line() {
  plain("\n");
  for (std::size_t n = 0; n < level_; ++n) out_.append(style_.indent);
}

void JsonWriter::write_list(const Values& items) {
  if (items.empty()) return plain("[]");
  plain("[");
  ++level_;
  for (std::size_t at = 0; at < items.size(); ++at) {
    if (at != 0) out_.append(style_.item_separator);
    if (style_.indented) new_line();
    write(items[at]);
  }
  --level_;
  if (style_.indented) new_line();
  plain("]");
}

void JsonWriter::write_key(const Value& key) {
  if (key.is(Type::kString)) return write_string(key.get<StringData>());
  if (!key.is_number() && !key.is(Type::kNone))
    runtime_.fail(
        fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
  plain("\"");
  write(key);
  plain("\"");
}

void JsonWriter::write_dict(const DictData& dict) {
  if (dict.entries.empty()) return plain("{}");
  auto entries = dict.entries;
  if (style_.sort_keys)
    std::stable_sort(entries.begin(), entries.end(), [this](const auto& a, const auto& b) {
      return less(runtime_, a.first, b.first);
    });
  plain("{");
  ++level_;
  bool first = true;
  for (const auto& [key, value] : entries) {
    if (!first) out_.append(style_.item_separator);
    first = false;
    if (style_.indented) new_line();
    write_key(key);
    out_.append(style_.key_separator);
    write(value);
  }
  --level_;
  if (style_.indented) new_line();
  plain("}");
}

void JsonWriter::write(const Value& value) {
  runtime_.step();
  switch (value.type()) {
    case Type::kNone:
      return plain("null");
    case Type::kBool:
      return plain(value.as_bool() ? "true" : "false");
    case Type::kInt:
      return plain(fmt::format("{}", value.as_int()));
    case Type::kFloat:
      return plain(json_real(value.as_real()));
    case Type::kString:
      return write_string(value.get<StringData>());
    case Type::kList:
    case Type::kTuple:
      return write_list(value.get<SequenceData>().items);
    case Type::kDict:
      return write_dict(value.get<DictData>());
    default:
      runtime_.fail(fmt::format("Object of type {} is not JSON serializable", type_name(value)));
  }
}

}  // namespace

Value to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  JsonWriter writer(runtime, style);
  writer.write(value);
  return runtime.string(writer.take());
}

}  // namespace gpumodel::engine::text::jinja

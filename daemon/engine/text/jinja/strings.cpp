#include "engine/text/jinja/strings.hpp"

#include <algorithm>

#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

// The code point that ends at `end` (> 0).
CodePoint decode_before(const std::string& bytes, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (static_cast<unsigned char>(bytes[begin]) & 0xC0) == 0x80)
    --begin;
  const CodePoint c = decode_at(bytes, begin);
  if (begin + c.bytes == end) return c;
  return decode_at(bytes, end - 1);
}

bool is_member(const OriginText& set, char32_t c) {
  for (std::size_t at = 0; at < set.size();) {
    const CodePoint member = decode_at(set.bytes(), at);
    if (member.value == c) return true;
    at += member.bytes;
  }
  return false;
}

// Rewrites each code point; map(out, code point, index of its first byte).
template <class Map>
OriginText map_code_points(Runtime& runtime, const OriginText& text, Map map) {
  runtime.step_bytes(text.size() * 8);
  TextBuilder out(runtime);
  std::string mapped;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_at(text.bytes(), at);
    mapped.clear();
    map(mapped, c.value, at);
    out.append(mapped, text.origin_at(at));
    at += c.bytes;
  }
  return out.take();
}

// Greek sigma has a form of its own at the end of a word.
void append_lower_in_context(std::string& out, const std::string& bytes, std::size_t at,
                             char32_t c) {
  constexpr char32_t kCapitalSigma = 0x3A3;
  constexpr char32_t kFinalSigma = 0x3C2;
  if (c != kCapitalSigma) return append_lower(out, c);
  const std::size_t next = at + 2;
  const bool cased_before = at > 0 && is_cased(decode_before(bytes, at).value);
  const bool cased_after = next < bytes.size() && is_cased(decode_at(bytes, next).value);
  cased_before && !cased_after ? append_utf8(out, kFinalSigma) : append_lower(out, c);
}

bool is_line_break(char32_t c) {
  return c == '\n' || c == '\r' || c == '\v' || c == '\f' || (c >= 0x1C && c <= 0x1E) ||
         c == 0x85 || c == 0x2028 || c == 0x2029;
}

}  // namespace

OriginText strip(Runtime& runtime, const OriginText& text, const OriginText* characters,
                 Side side) {
  const std::string& bytes = text.bytes();
  const auto strips = [&](char32_t c) {
    runtime.step(characters == nullptr ? 0 : 1 + characters->size() / 32);
    return characters == nullptr ? is_space(c) : is_member(*characters, c);
  };
  runtime.step_bytes(text.size());
  std::size_t begin = 0;
  std::size_t end = bytes.size();
  if (side != Side::kRight)
    while (begin < end) {
      const CodePoint c = decode_at(bytes, begin);
      if (!strips(c.value)) break;
      begin += c.bytes;
    }
  if (side != Side::kLeft)
    while (end > begin) {
      const CodePoint c = decode_before(bytes, end);
      if (!strips(c.value)) break;
      end -= c.bytes;
    }
  return text.substr(begin, end - begin);
}

OriginText replace(Runtime& runtime, const OriginText& text, const OriginText& from,
                   const OriginText& to, std::int64_t count) {
  runtime.step_bytes(text.size());
  TextBuilder out(runtime);
  const std::string& bytes = text.bytes();
  std::size_t copied = 0;
  if (from.empty()) {  // `to` goes before each character and at the end
    std::size_t at = 0;
    for (; count != 0; --count) {
      runtime.step();
      out.append(to);
      if (at == bytes.size()) break;
      const std::size_t size = decode_at(bytes, at).bytes;
      out.append(text, at, size);
      at += size;
      copied = at;
    }
  } else {
    for (; count != 0; --count) {
      runtime.step();
      const std::size_t at = bytes.find(from.bytes(), copied);
      if (at == std::string::npos) break;
      out.append(text, copied, at - copied);
      out.append(to);
      copied = at + from.size();
    }
  }
  out.append(text, copied, bytes.size() - copied);
  return out.take();
}

OriginText upper(Runtime& runtime, const OriginText& text) {
  return map_code_points(runtime, text,
                         [](std::string& out, char32_t c, std::size_t) { append_upper(out, c); });
}

OriginText lower(Runtime& runtime, const OriginText& text) {
  return map_code_points(runtime, text, [&](std::string& out, char32_t c, std::size_t at) {
    append_lower_in_context(out, text.bytes(), at, c);
  });
}

OriginText capitalize(Runtime& runtime, const OriginText& text) {
  return map_code_points(runtime, text, [&](std::string& out, char32_t c, std::size_t at) {
    at == 0 ? append_title(out, c) : append_lower_in_context(out, text.bytes(), at, c);
  });
}

OriginText swap_case(Runtime& runtime, const OriginText& text) {
  return map_code_points(runtime, text, [&](std::string& out, char32_t c, std::size_t at) {
    if (is_upper(c))
      append_lower_in_context(out, text.bytes(), at, c);
    else if (is_lower(c))
      append_upper(out, c);
    else
      append_utf8(out, c);
  });
}

OriginText title(Runtime& runtime, const OriginText& text) {
  bool inside = false;
  return map_code_points(runtime, text, [&](std::string& out, char32_t c, std::size_t at) {
    inside ? append_lower_in_context(out, text.bytes(), at, c) : append_title(out, c);
    inside = is_cased(c);
  });
}

OriginText title_words(Runtime& runtime, const OriginText& text) {
  bool inside = false;
  return map_code_points(runtime, text, [&](std::string& out, char32_t c, std::size_t at) {
    const bool separates = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    inside ? append_lower_in_context(out, text.bytes(), at, c) : append_upper(out, c);
    inside = !separates;
  });
}

std::vector<OriginText> split_lines(Runtime& runtime, const OriginText& text, bool keep_ends) {
  runtime.step_bytes(text.size() * 4);
  std::vector<OriginText> lines;
  const std::string& bytes = text.bytes();
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const CodePoint c = decode_at(bytes, at);
    std::size_t end = at + c.bytes;
    if (is_line_break(c.value)) {
      if (c.value == '\r' && end < bytes.size() && bytes[end] == '\n') ++end;
      runtime.check_elements(lines.size() + 1);
      runtime.step();
      lines.push_back(text.substr(begin, (keep_ends ? end : at) - begin));
      begin = end;
    }
    at = end;
  }
  if (begin < bytes.size()) lines.push_back(text.substr(begin, bytes.size() - begin));
  return lines;
}

namespace {

std::vector<OriginText> split_at_space(Runtime& runtime, const OriginText& text,
                                       std::int64_t limit) {
  std::vector<OriginText> parts;
  const std::string& bytes = text.bytes();
  std::size_t at = 0;
  const auto skip = [&](bool space) {
    while (at < bytes.size()) {
      const CodePoint c = decode_at(bytes, at);
      if (is_space(c.value) != space) break;
      at += c.bytes;
    }
  };
  for (;; --limit) {
    skip(true);
    if (at == bytes.size()) return parts;
    runtime.check_elements(parts.size() + 1);
    runtime.step();
    if (limit == 0) {  // the rest, with its trailing space
      parts.push_back(text.substr(at, bytes.size() - at));
      return parts;
    }
    const std::size_t begin = at;
    skip(false);
    parts.push_back(text.substr(begin, at - begin));
  }
}

std::vector<OriginText> rsplit_at_space(Runtime& runtime, const OriginText& text,
                                        std::int64_t limit) {
  std::vector<OriginText> parts;
  const std::string& bytes = text.bytes();
  std::size_t end = bytes.size();
  const auto skip = [&](bool space) {
    while (end > 0) {
      const CodePoint c = decode_before(bytes, end);
      if (is_space(c.value) != space) break;
      end -= c.bytes;
    }
  };
  for (;; --limit) {
    skip(true);
    if (end == 0) break;
    runtime.check_elements(parts.size() + 1);
    runtime.step();
    if (limit == 0) {
      parts.push_back(text.substr(0, end));
      break;
    }
    const std::size_t last = end;
    skip(false);
    parts.push_back(text.substr(end, last - end));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

std::vector<OriginText> split(Runtime& runtime, const OriginText& text, const OriginText* separator,
                              std::int64_t limit, bool from_right) {
  runtime.step_bytes(text.size() * 4);
  if (separator == nullptr)
    return from_right ? rsplit_at_space(runtime, text, limit)
                      : split_at_space(runtime, text, limit);
  const std::string& bytes = text.bytes();
  const std::string& mark = separator->bytes();
  if (mark.empty()) runtime.fail("empty separator");
  std::vector<OriginText> parts;
  std::size_t begin = 0;
  std::size_t end = bytes.size();
  for (; limit != 0; --limit) {
    runtime.check_elements(parts.size() + 1);
    runtime.step();
    if (from_right) {
      if (end < mark.size()) break;
      const std::size_t at = bytes.rfind(mark, end - mark.size());
      if (at == std::string::npos) break;
      parts.push_back(text.substr(at + mark.size(), end - at - mark.size()));
      end = at;
    } else {
      const std::size_t at = bytes.find(mark, begin);
      if (at == std::string::npos) break;
      parts.push_back(text.substr(begin, at - begin));
      begin = at + mark.size();
    }
  }
  parts.push_back(text.substr(begin, end - begin));
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

namespace {

bool all_cased(const std::string& text, bool (*wanted)(char32_t), bool (*unwanted)(char32_t)) {
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_at(text, at);
    if (unwanted(c.value)) return false;
    any = any || wanted(c.value);
    at += c.bytes;
  }
  return any;
}

}  // namespace

bool is_lower_text(const std::string& text) { return all_cased(text, is_lower, is_upper); }
bool is_upper_text(const std::string& text) { return all_cased(text, is_upper, is_lower); }

}  // namespace gpumodel::engine::text::jinja

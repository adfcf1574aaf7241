#include "engine/text/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace gpumodel::engine::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Whether `byte` may follow `lead` as the second byte of a character.
constexpr bool second_byte_fits(unsigned char lead, unsigned char byte) {
  switch (lead) {
    case 0xE0:
      return byte >= 0xA0 && byte <= 0xBF;
    case 0xED:
      return byte >= 0x80 && byte <= 0x9F;
    case 0xF0:
      return byte >= 0x90 && byte <= 0xBF;
    case 0xF4:
      return byte >= 0x80 && byte <= 0x8F;
    default:
      return byte >= 0x80 && byte <= 0xBF;
  }
}

constexpr bool leads_character(unsigned char byte) {
  return byte < 0x80 || (byte >= 0xC2 && byte <= 0xF4);
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    if (*at < 0x80) {
      std::uint64_t block = 0;
      while (end - at >= 8 && (std::memcpy(&block, at, 8), (block & 0x8080808080808080U) == 0)) {
        at += 8;
      }
      while (at != end && *at < 0x80) ++at;
      continue;
    }
    const std::size_t width = utf8_width(*at);
    if (!leads_character(*at) || static_cast<std::size_t>(end - at) < width) return false;
    if (!second_byte_fits(at[0], at[1])) return false;
    for (std::size_t i = 2; i < width; ++i) {
      if ((at[i] & 0xC0) != 0x80) return false;
    }
    at += width;
  }
  return true;
}

char32_t next_code_point(std::string_view text, std::size_t& offset) {
  const auto byte = [&](std::size_t i) -> char32_t {
    return static_cast<unsigned char>(text[offset + i]);
  };
  const char32_t lead = byte(0);
  char32_t code_point = lead;
  std::size_t width = 1;
  if (lead >= 0xF0) {
    code_point = (lead & 7) << 18 | (byte(1) & 63) << 12 | (byte(2) & 63) << 6 | (byte(3) & 63);
    width = 4;
  } else if (lead >= 0xE0) {
    code_point = (lead & 15) << 12 | (byte(1) & 63) << 6 | (byte(2) & 63);
    width = 3;
  } else if (lead >= 0xC0) {
    code_point = (lead & 31) << 6 | (byte(1) & 63);
    width = 2;
  }
  offset += width;
  return code_point;
}

void append_code_point(std::string& out, char32_t code_point) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 63));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 63));
    put(0x80 | (code_point & 63));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 63));
    put(0x80 | (code_point >> 6 & 63));
    put(0x80 | (code_point & 63));
  }
}

void LossyUtf8::push(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (pending_bytes_ > 0) {
      const auto lead = static_cast<unsigned char>(pending_[0]);
      const bool fits = pending_bytes_ == 1 ? second_byte_fits(lead, byte) : (byte & 0xC0) == 0x80;
      if (fits) {
        pending_[pending_bytes_++] = c;
        if (pending_bytes_ == utf8_width(lead)) {
          out.append(pending_.data(), pending_bytes_);
          pending_bytes_ = 0;
        }
        continue;
      }
      flush(out);
    }
    if (byte < 0x80) {
      out.push_back(c);
    } else if (leads_character(byte)) {
      pending_[0] = c;
      pending_bytes_ = 1;
    } else {
      out.append(kReplacement);
    }
  }
}

void LossyUtf8::flush(std::string& out) {
  if (pending_bytes_ > 0) out.append(kReplacement);
  pending_bytes_ = 0;
}

}  // namespace gpumodel::engine::text

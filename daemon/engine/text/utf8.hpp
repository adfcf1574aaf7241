// UTF-8 by hand, where the C++ library has nothing: checking, decoding, and lossy streaming.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace gpumodel::engine::text {

// Well-formed as Unicode 15 table 3-7 says: no surrogates, no overlong forms, at most U+10FFFF.
bool is_valid_utf8(std::string_view text);

// The character that starts at `offset` of well-formed UTF-8; `offset` moves behind it.
char32_t next_code_point(std::string_view text, std::size_t& offset);

// Appends one character; `code_point` is a Unicode scalar value.
void append_code_point(std::string& out, char32_t code_point);

// How many bytes the character has that this byte leads; 1 for a byte that leads none.
constexpr std::size_t utf8_width(unsigned char lead) {
  return lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
}

// Turns bytes that arrive in pieces into well-formed UTF-8: whole characters are passed on as soon
// as their last byte is there, each maximal ill-formed part becomes one U+FFFD (Unicode 15, section
// 3.9, "U+FFFD substitution of maximal subparts", which is also what Rust's from_utf8_lossy does).
class LossyUtf8 {
 public:
  // Appends to `out` what `bytes` completed.
  void push(std::string_view bytes, std::string& out);
  // Appends U+FFFD if a character is unfinished, and starts anew.
  void flush(std::string& out);

 private:
  std::array<char, 4> pending_{};
  std::size_t pending_bytes_ = 0;
};

}  // namespace gpumodel::engine::text

#include "engine/text/byte_level.hpp"

#include <array>

#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {
namespace {

constexpr bool is_printable(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
         (byte >= 0xAE && byte <= 0xFF);
}

struct Table {
  std::array<char32_t, 256> char_of_byte{};
  // Indexed by character; -1 where the character stands for no byte.
  std::array<int, 0x144> byte_of_char{};
};

constexpr Table make_table() {
  Table table;
  for (int& byte : table.byte_of_char) byte = -1;
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char32_t c = is_printable(byte) ? byte : next++;
    table.char_of_byte[byte] = c;
    table.byte_of_char[c] = static_cast<int>(byte);
  }
  return table;
}

constexpr Table kTable = make_table();

}  // namespace

char32_t byte_level_char(unsigned char byte) { return kTable.char_of_byte[byte]; }

void append_byte_level(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    append_code_point(out, byte_level_char(static_cast<unsigned char>(c)));
  }
}

void append_byte_level_decoded(std::string& out, std::string_view token) {
  const std::size_t start = out.size();
  for (std::size_t offset = 0; offset < token.size();) {
    const char32_t c = next_code_point(token, offset);
    const int byte = c < kTable.byte_of_char.size() ? kTable.byte_of_char[c] : -1;
    if (byte < 0) {
      out.resize(start);
      out.append(token);
      return;
    }
    out.push_back(static_cast<char>(byte));
  }
}

}  // namespace gpumodel::engine::text

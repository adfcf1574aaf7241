// Text from untrusted files, made fit for messages that people read on terminals.
#pragma once

#include <string>
#include <string_view>

namespace gpumodel::engine::io {

// The text with control characters as '?', cut to 120 bytes (at a character) with "..." after it.
inline std::string printable(std::string_view text) {
  constexpr std::size_t kShownBytes = 120;
  std::size_t length = text.size();
  if (length > kShownBytes) {
    length = kShownBytes;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  }
  std::string shown(text.substr(0, length));
  for (char& c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '?';
  }
  if (length < text.size()) shown += "...";
  return shown;
}

}  // namespace gpumodel::engine::io

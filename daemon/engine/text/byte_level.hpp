// The byte <-> character table of byte-level BPE (GPT-2, `bytes_to_unicode`): every byte has a
// printable character, so that a vocabulary of bytes can be written down as JSON strings.
#pragma once

#include <string>
#include <string_view>

namespace gpumodel::engine::text {

// The character that stands for `byte`: itself where it is printable Latin-1, else U+0100 and up.
char32_t byte_level_char(unsigned char byte);

// Appends the characters of all of `bytes` as UTF-8.
void append_byte_level(std::string& out, std::string_view bytes);

// The inverse: appends the bytes that `token` stands for. A token with any character outside the
// table stands for its own UTF-8 bytes, as in `tokenizers`.
void append_byte_level_decoded(std::string& out, std::string_view token);

}  // namespace gpumodel::engine::text

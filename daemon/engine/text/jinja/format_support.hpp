// What the ways of formatting share.
#pragma once

#include <string>
#include <string_view>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

// Decimal digits of `text` from `at` on, which moves past them; 0 where there are none. Throws for
// widths and precisions that nobody needs, since Python would allocate what is asked for.
std::size_t parse_number(Runtime& runtime, std::string_view text, std::size_t& at);
// The first `count` code points.
OriginText cut(const OriginText& text, std::size_t count);
// Digits and signs of the formatter's own making: input may have decided them.
OriginText plain(std::string text);
bool is_ascii_digit(char c);
char ascii_upper(char c);

}  // namespace gpumodel::engine::text::jinja

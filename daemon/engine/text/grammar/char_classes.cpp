#include "engine/text/grammar/char_classes.hpp"

#include <utf8proc.h>

#include "engine/text/grammar/pattern.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

template <class Belongs>
CharSet scanned(Belongs belongs) {
  std::vector<CharRange> ranges;
  for (char32_t c = 0; c <= kLastCharacter; ++c) {
    if (c == 0xD800) c = 0xE000;
    if (!belongs(utf8proc_category(static_cast<utf8proc_int32_t>(c)))) continue;
    if (!ranges.empty() && ranges.back().last + 1 == c) {
      ranges.back().last = c;
    } else {
      ranges.push_back({c, c});
    }
  }
  return CharSet(std::move(ranges));
}

// A wider class than either's: unassigned characters are in it, as a newer Unicode may make them
// letters or digits.
const CharSet& wide_word_characters() {
  static const CharSet set = scanned([](utf8proc_category_t category) {
    return category == UTF8PROC_CATEGORY_CN ||
           (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
  });
  return set;
}

const CharSet& wide_digits() {
  static const CharSet set = scanned([](utf8proc_category_t category) {
    return category == UTF8PROC_CATEGORY_CN || category == UTF8PROC_CATEGORY_ND;
  });
  return set;
}

}  // namespace

CharSet digits(Reading reading) {
  return reading == Reading::certain ? CharSet('0', '9') : wide_digits();
}

CharSet word_characters(Reading reading) {
  const CharSet ascii({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
  return reading == Reading::certain ? ascii : ascii | wide_word_characters();
}

CharSet white_space(Reading reading) {
  const CharSet both({{'\t', '\r'},
                      {' ', ' '},
                      {0xA0, 0xA0},
                      {0x1680, 0x1680},
                      {0x2000, 0x200A},
                      {0x2028, 0x2029},
                      {0x202F, 0x202F},
                      {0x205F, 0x205F},
                      {0x3000, 0x3000}});
  if (reading == Reading::certain) return both;
  return both | CharSet({{0x1C, 0x1F}, {0x85, 0x85}, {0xFEFF, 0xFEFF}});
}

CharSet any_but_line_ends(Reading reading) {
  const CharSet python('\n', '\n');
  const CharSet either = python | CharSet({{'\r', '\r'}, {0x2028, 0x2029}});
  return (reading == Reading::certain ? either : python).complement();
}

}  // namespace gpumodel::engine::text::grammar

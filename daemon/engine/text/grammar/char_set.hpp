// Sets of Unicode characters as ranges.
#pragma once

#include <vector>

namespace gpumodel::engine::text::grammar {

inline constexpr char32_t kLastCharacter = 0x10FFFF;

// Both ends belong to it.
struct CharRange {
  char32_t first;
  char32_t last;
  friend bool operator==(const CharRange&, const CharRange&) = default;
};

// A value. Its ranges are sorted and leave gaps between each other. Surrogates are never members of
// what all() and complement() make: well-formed UTF-8 has none.
class CharSet {
 public:
  CharSet() = default;
  CharSet(char32_t first, char32_t last) : ranges_{{first, last}} {}
  // In any order, overlapping or not.
  explicit CharSet(std::vector<CharRange> ranges);
  static const CharSet& all();

  const std::vector<CharRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool contains(char32_t character) const;

  CharSet complement() const;
  friend CharSet operator|(const CharSet& a, const CharSet& b);
  friend CharSet operator&(const CharSet& a, const CharSet& b);
  friend CharSet operator-(const CharSet& a, const CharSet& b);
  friend bool operator==(const CharSet&, const CharSet&) = default;

 private:
  std::vector<CharRange> ranges_;
};

}  // namespace gpumodel::engine::text::grammar

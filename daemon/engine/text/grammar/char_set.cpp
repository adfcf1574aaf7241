#include "engine/text/grammar/char_set.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::engine::text::grammar {

CharSet::CharSet(std::vector<CharRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const CharRange& a, const CharRange& b) { return a.first < b.first; });
  for (const CharRange& range : ranges) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    } else {
      ranges_.push_back(range);
    }
  }
}

const CharSet& CharSet::all() {
  static const CharSet set({{0, 0xD7FF}, {0xE000, kLastCharacter}});
  return set;
}

bool CharSet::contains(char32_t character) const {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), character,
                       [](char32_t value, const CharRange& range) { return value < range.first; });
  return after != ranges_.begin() && character <= std::prev(after)->last;
}

CharSet CharSet::complement() const { return all() - *this; }

CharSet operator|(const CharSet& a, const CharSet& b) {
  std::vector<CharRange> ranges = a.ranges_;
  ranges.insert(ranges.end(), b.ranges_.begin(), b.ranges_.end());
  return CharSet(std::move(ranges));
}

CharSet operator&(const CharSet& a, const CharSet& b) {
  CharSet both;
  auto left = a.ranges_.begin();
  auto right = b.ranges_.begin();
  while (left != a.ranges_.end() && right != b.ranges_.end()) {
    const CharRange common{std::max(left->first, right->first), std::min(left->last, right->last)};
    if (common.first <= common.last) both.ranges_.push_back(common);
    if (left->last < right->last) {
      ++left;
    } else {
      ++right;
    }
  }
  return both;
}

CharSet operator-(const CharSet& a, const CharSet& b) {
  CharSet gaps;
  char32_t next = 0;
  for (const CharRange& range : b.ranges_) {
    if (range.first > next) gaps.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCharacter) gaps.ranges_.push_back({next, kLastCharacter});
  return a & gaps;
}

}  // namespace gpumodel::engine::text::grammar

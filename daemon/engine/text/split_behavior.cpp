#include "engine/text/split_behavior.hpp"

#include "engine/text/json_node.hpp"

namespace gpumodel::engine::text {

SplitBehavior parse_split_behavior(const JsonNode& node) {
  const std::string name = node.string();
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  node.fail("expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

void Splitter::start(const MatchRange& word) {
  word_ = word;
  done_ = word.begin;
  previous_was_match_ = false;
  has_open_ = false;
  pending_.clear();
}

void Splitter::match(const MatchRange& match) {
  if (done_ < match.begin) add({done_, match.begin}, invert_);
  add(match, !invert_);
  done_ = match.end;
}

void Splitter::finish() {
  if (done_ < word_.end) add({done_, word_.end}, invert_);
  if (behavior_ == SplitBehavior::kMergedWithNext) merge_with_next();
  if (has_open_) emit(open_);
}

void Splitter::emit(const MatchRange& range) {
  if (range.begin < range.end) out_.push_back(range);
}

void Splitter::add(const MatchRange& range, bool is_match) {
  bool grows = false;
  switch (behavior_) {
    case SplitBehavior::kRemoved:
      if (!is_match) emit(range);
      return;
    case SplitBehavior::kIsolated:
      emit(range);
      return;
    case SplitBehavior::kMergedWithNext:
      pending_.push_back({range, is_match});
      return;
    case SplitBehavior::kContiguous:
      grows = is_match == previous_was_match_;
      break;
    case SplitBehavior::kMergedWithPrevious:
      grows = is_match && !previous_was_match_;
      break;
  }
  previous_was_match_ = is_match;
  if (grows && has_open_) {
    open_.end = range.end;
    return;
  }
  if (has_open_) emit(open_);
  open_ = range;
  has_open_ = true;
}

void Splitter::merge_with_next() {
  std::vector<MatchRange> parts;  // from right to left
  bool previous_was_match = false;
  for (auto part = pending_.rbegin(); part != pending_.rend(); ++part) {
    if (part->is_match && !previous_was_match && !parts.empty()) {
      parts.back().begin = part->range.begin;
    } else {
      parts.push_back(part->range);
    }
    previous_was_match = part->is_match;
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) emit(*part);
}

}  // namespace gpumodel::engine::text

// What becomes of the matches when text is split at them.
#pragma once

#include <string_view>
#include <vector>

#include "engine/text/regex.hpp"

namespace gpumodel::engine::text {

class JsonNode;

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// Reads "Removed" and so on. Throws BadModel.
SplitBehavior parse_split_behavior(const JsonNode& node);

// Cuts one word at matches that arrive from left to right.
class Splitter {
 public:
  // Parts go to `out`. With `invert`, what lies between the matches plays their part.
  Splitter(SplitBehavior behavior, bool invert, std::vector<MatchRange>& out)
      : behavior_(behavior), invert_(invert), out_(out) {}

  void start(const MatchRange& word);
  void match(const MatchRange& match);  // within the word, in the text's offsets
  void finish();

 private:
  struct Part {
    MatchRange range;
    bool is_match;
  };

  void add(const MatchRange& range, bool is_match);
  void emit(const MatchRange& range);
  void merge_with_next();

  SplitBehavior behavior_;
  bool invert_;
  std::vector<MatchRange>& out_;
  MatchRange word_;
  std::size_t done_ = 0;
  bool previous_was_match_ = false;
  bool has_open_ = false;
  MatchRange open_;            // the last part, while it may still grow
  std::vector<Part> pending_;  // kMergedWithNext is decided from the right
};

}  // namespace gpumodel::engine::text

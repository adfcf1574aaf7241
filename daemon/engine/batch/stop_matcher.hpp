// Stop strings in a text that comes in pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpumodel::engine::batch {

// The stop string that is complete first ends the text; the longest, where several end at one
// place. The result does not depend on how the text was cut into pieces.
class StopMatcher {
 public:
  // Stop strings are not empty and valid UTF-8.
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Takes the next piece, whole UTF-8 characters; returns what is certain to be no part of a stop
  // string. Once stopped() it returns what came before the stop string, and afterwards nothing.
  std::string push(std::string_view piece);
  // The text has ended: what was held back is no stop string.
  std::string flush();

  bool stopped() const { return stopped_; }
  std::size_t held_bytes() const { return held_.size(); }

 private:
  std::size_t possible_stop_bytes() const;

  std::vector<std::string> stops_;
  std::string held_;  // may still become a stop string
  bool stopped_ = false;
};

}  // namespace gpumodel::engine::batch

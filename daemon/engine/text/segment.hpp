// A stretch of prompt text that remembers who wrote it.
#pragma once

#include <string>

namespace gpumodel::engine::text {

// A rendered chat is a list of these; its text is their concatenation. `from_template` is true for
// what the model's own chat template wrote, false for what came out of a message, a tool or any
// other value that a client sent. Only template text may become special tokens. UTF-8; a segment
// never ends inside a character.
struct Segment {
  std::string text;
  bool from_template = false;

  friend bool operator==(const Segment&, const Segment&) = default;
};

}  // namespace gpumodel::engine::text

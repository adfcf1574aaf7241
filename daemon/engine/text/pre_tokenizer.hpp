// The "pre_tokenizer" of tokenizer.json: cutting text into words that merge on their own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/regex.hpp"

namespace gpumodel::engine::text {

class JsonNode;

// Text and the words it is cut into, in order; nothing outside of them counts.
struct Words {
  std::string text;
  std::vector<MatchRange> ranges;  // none is empty
  bool at_input_start = false;     // the first word starts where the whole input does
  bool newer = false;              // has_newer_characters(text)

  std::string_view word(const MatchRange& range) const {
    return std::string_view(text).substr(range.begin, range.end - range.begin);
  }
};

// Split, ByteLevel, Digits, Punctuation, Metaspace, Whitespace, WhitespaceSplit, Sequence, or null.
// Immutable, thread-safe.
class PreTokenizer {
 public:
  class Step {
   public:
    virtual ~Step() = default;
    virtual void apply(Words& words, MatchState& state) const = 0;
  };

  // Throws BadModel for any other type.
  static PreTokenizer parse(const JsonNode& node);

  // Whether words come out as plain bytes, which the model is to read as byte-level characters;
  // so it is where the last step is ByteLevel, to spare writing them out.
  bool byte_level() const { return byte_level_; }

  // `words` comes with one word, all of its text. Throws RegexGaveUp.
  void apply(Words& words, MatchState& state) const;

 private:
  void add(const JsonNode& node);
  void add_byte_level(const JsonNode& node);

  std::vector<std::unique_ptr<const Step>> steps_;
  bool byte_level_ = false;
};

}  // namespace gpumodel::engine::text

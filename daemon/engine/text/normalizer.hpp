// The "normalizer" of tokenizer.json: rewriting of text before it is split.
#pragma once

#include <memory>
#include <vector>

#include "engine/text/regex.hpp"
#include "engine/text/traced_text.hpp"

namespace gpumodel::engine::text {

class JsonNode;

// NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace, Prepend, Sequence, or null.
// Immutable, thread-safe.
class Normalizer {
 public:
  class Step {
   public:
    virtual ~Step() = default;
    virtual void apply(TracedText& text, MatchState& state) const = 0;
  };

  // Throws BadModel for any other type.
  static Normalizer parse(const JsonNode& node);

  bool empty() const { return steps_.empty(); }

  // Throws RegexGaveUp.
  void apply(TracedText& text, MatchState& state) const;

 private:
  void add(const JsonNode& node);

  std::vector<std::unique_ptr<const Step>> steps_;
};

}  // namespace gpumodel::engine::text

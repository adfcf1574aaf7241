// The "decoder" of tokenizer.json: from the strings of tokens to text, as they come.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gpumodel::engine::text {

class JsonNode;

// One stage of decoding, for one stream of tokens. A token's string may come in several writes;
// every write holds whole characters.
class DecoderStage {
 public:
  virtual ~DecoderStage() = default;
  virtual void write(std::string_view text) = 0;
  virtual void end_token() = 0;
  virtual void finish() = 0;  // after the last token; once
};

// Immutable, thread-safe.
class Decoder {
 public:
  // Makes a stage that passes its output on to `next`, which outlives it.
  class Factory {
   public:
    virtual ~Factory() = default;
    virtual std::unique_ptr<DecoderStage> make(DecoderStage& next) const = 0;
  };

  // ByteLevel, Metaspace, ByteFallback, Fuse, Strip, Replace, Sequence; null joins tokens with
  // spaces. Throws BadModel for any other type.
  static Decoder parse(const JsonNode& node);

  // Whether it is ByteLevel alone: every token stands for its bytes, wherever it is.
  bool is_byte_level() const { return is_byte_level_; }
  // Whether a token's bytes are the same behind any other token.
  bool keeps_tokens_apart() const { return !joins_; }

  // A chain for one stream, which appends the text to `out` as soon as it is certain. The first
  // stage is the one to write to. `out` and the decoder outlive the chain.
  std::vector<std::unique_ptr<DecoderStage>> chain(std::string& out) const;

 private:
  void add(const JsonNode& node);

  std::vector<std::unique_ptr<const Factory>> factories_;
  bool is_byte_level_ = false;
  bool joins_ = false;  // puts something between tokens
};

}  // namespace gpumodel::engine::text

// Tokens to text while they are being generated.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/text/decoder.hpp"
#include "engine/text/tokenizer.hpp"

namespace gpumodel::engine::text {

// For one stream, from one thread. All that push() and flush() return, joined, is what
// Tokenizer::decode() gives for all the tokens; push() returns whole characters only, and no more
// than is certain. A token costs time proportional to its own length, not to the stream's.
class Detokenizer {
 public:
  // `tokenizer` outlives this.
  Detokenizer(const Tokenizer& tokenizer, bool skip_special);

  std::string push(std::int32_t id);
  // What is still held back; after it the stream starts anew.
  std::string flush();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::unique_ptr<std::string> out_;
  std::vector<std::unique_ptr<DecoderStage>> stages_;
};

}  // namespace gpumodel::engine::text

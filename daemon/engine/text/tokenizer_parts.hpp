// What a Tokenizer is made of; for its own sources only.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/text/added_tokens.hpp"
#include "engine/text/bpe.hpp"
#include "engine/text/decoder.hpp"
#include "engine/text/normalizer.hpp"
#include "engine/text/post_processor.hpp"
#include "engine/text/pre_tokenizer.hpp"
#include "engine/text/tokenizer.hpp"

namespace gpumodel::engine::text {

// The working memory of one encode().
struct EncodeState {
  MatchState match;
  BpeState bpe;
};

// Lends working memory, as making it costs more than a short text. Keeps a few, whatever the load.
class EncodeStates {
 public:
  std::unique_ptr<EncodeState> take();
  void give_back(std::unique_ptr<EncodeState> state);

 private:
  static constexpr std::size_t kMaxKept = 8;

  std::mutex mutex_;
  std::vector<std::unique_ptr<EncodeState>> kept_;
};

struct Tokenizer::Parts {
  Normalizer normalizer;
  AddedTokens added;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  PostProcessor post_processor;
  Decoder decoder;
  std::int32_t vocab_size = 0;
  mutable EncodeStates states;

  // Appends the ids of `text` without the post-processor's.
  void encode(const TracedText& text, EncodeState& state, std::vector<std::int32_t>& ids) const;
  // [begin, end) of `text`, which has no raw added token.
  void encode_piece(const TracedText& text, std::size_t begin, std::size_t end, EncodeState& state,
                    std::vector<std::int32_t>& ids) const;
};

}  // namespace gpumodel::engine::text

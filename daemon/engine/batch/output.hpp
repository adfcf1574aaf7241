// What one generation has said: tokens with their text, cut at the end that was asked for.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "engine/batch/stop_matcher.hpp"
#include "engine/sample/sampler.hpp"

namespace gpumodel::engine::batch {

enum class Finish { none, stop, length, cancelled, deadline };

// As on the wire: "stop", "length", ...
const char* finish_name(Finish finish);

struct OutputLimits {
  std::vector<std::int32_t> end_tokens;  // end the text and are no part of it
  std::vector<std::string> stops;
  std::uint64_t max_tokens = 1;  // at least 1; what the context leaves is counted in
};

// Tokens and the text that is certain, in step with each other: a token comes with the text that
// its bytes are part of, or later where that text is still held back.
struct OutputPiece {
  std::string text;
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;            // one a token
  std::vector<sample::TokenLogprob> top;  // the same number for each token
  bool empty() const { return text.empty() && tokens.empty(); }
};

class Output {
 public:
  explicit Output(OutputLimits limits);

  bool is_end(std::int32_t token) const;

  // Takes a token that is no end, the text that became whole with it, and whether the last bytes
  // are still an unfinished character. Tells whether the text ends here: by a stop string, or by
  // length.
  Finish push(const sample::Sample& sample, std::string_view text, bool is_open);
  // The text has ended; `rest` is what the detokenizer still held. Everything can be taken then.
  void finish(std::string_view rest);

  // What became certain since the last call.
  OutputPiece take();

  // Tokens so far, those that spell a stop string included.
  std::uint64_t tokens() const { return tokens_; }
  // Until it ends by length.
  std::uint64_t tokens_left() const { return limits_.max_tokens - tokens_; }

 private:
  struct Pending {
    sample::Sample sample;
    std::uint64_t end_bytes;  // of the text that its bytes are part of
    bool is_open;             // the character that it began is not whole
  };

  void add_text(std::string_view text);

  OutputLimits limits_;
  StopMatcher matcher_;
  std::deque<Pending> pending_;
  std::string certain_;
  std::uint64_t certain_bytes_ = 0;  // since the beginning
  std::uint64_t text_bytes_ = 0;     // held back ones included
  std::uint64_t tokens_ = 0;
  bool is_finished_ = false;
};

}  // namespace gpumodel::engine::batch

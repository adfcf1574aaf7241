// The stages of decoding. Each does what the decoder of the same name in `tokenizers` does to a
// list of strings, but as a stream: what is passed on is final. Stages that can judge a token only
// whole hold it back until its end; behind Fuse there is only one token, so what follows may hold
// back everything (Strip and Metaspace do not, nor Replace of a single character).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/text/decoder.hpp"
#include "engine/text/metaspace.hpp"
#include "engine/text/pattern.hpp"
#include "engine/text/regex.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {

// The end of every chain.
class CollectStage final : public DecoderStage {
 public:
  explicit CollectStage(std::string& out) : out_(out) {}
  void write(std::string_view text) override { out_.append(text); }
  void end_token() override {}
  void finish() override {}

 private:
  std::string& out_;
};

// A space between tokens: what stands in for a missing decoder.
class JoinStage final : public DecoderStage {
 public:
  explicit JoinStage(DecoderStage& next) : next_(next) {}
  void write(std::string_view text) override;
  void end_token() override;
  void finish() override { next_.finish(); }

 private:
  DecoderStage& next_;
  bool at_token_start_ = true;
  bool first_ = true;
};

// Characters to bytes, and those to UTF-8; one token comes out.
class ByteLevelStage final : public DecoderStage {
 public:
  explicit ByteLevelStage(DecoderStage& next) : next_(next) {}
  void write(std::string_view text) override { token_.append(text); }
  void end_token() override;
  void finish() override;

 private:
  DecoderStage& next_;
  std::string token_;
  std::string bytes_;
  std::string text_;
  LossyUtf8 utf8_;
};

// The byte of a token like <0x0A>.
std::optional<char> byte_of_token(std::string_view token);

// <0x41> to a byte. A run of such tokens that is no UTF-8 becomes one U+FFFD for each of them, so
// the run is held back until it ends.
class ByteFallbackStage final : public DecoderStage {
 public:
  explicit ByteFallbackStage(DecoderStage& next) : next_(next) {}
  void write(std::string_view text) override { token_.append(text); }
  void end_token() override;
  void finish() override;

 private:
  void end_run();

  DecoderStage& next_;
  std::string token_;
  std::string run_;
};

// All tokens become one.
class FuseStage final : public DecoderStage {
 public:
  explicit FuseStage(DecoderStage& next) : next_(next) {}
  void write(std::string_view text) override { next_.write(text); }
  void end_token() override {}
  void finish() override;

 private:
  DecoderStage& next_;
};

// Takes up to `start` of the character `content` off the front of each token and up to `stop` off
// its end.
class StripStage final : public DecoderStage {
 public:
  StripStage(DecoderStage& next, std::string_view content, std::size_t start, std::size_t stop)
      : next_(next), content_(content), start_(start), stop_(stop), front_left_(start) {}
  void write(std::string_view text) override;
  void end_token() override;
  void finish() override { next_.finish(); }

 private:
  void write_content(std::size_t count);

  DecoderStage& next_;
  std::string_view content_;
  std::size_t start_;
  std::size_t stop_;
  std::size_t front_left_;  // how many more may be taken off the front
  std::size_t held_ = 0;    // of `content_`, at most stop_, which may be the token's end
};

class ReplaceStage final : public DecoderStage {
 public:
  ReplaceStage(DecoderStage& next, const Pattern& pattern, std::string_view content)
      : next_(next), pattern_(pattern), content_(content) {}
  void write(std::string_view text) override;
  void end_token() override;
  void finish() override { next_.finish(); }

 private:
  void replace(std::string_view text);

  DecoderStage& next_;
  const Pattern& pattern_;
  std::string_view content_;
  MatchState state_;
  std::string token_;
};

// The replacement character becomes a space, or nothing in the first token of all.
class MetaspaceStage final : public DecoderStage {
 public:
  MetaspaceStage(DecoderStage& next, const Metaspace& metaspace)
      : next_(next), metaspace_(metaspace) {}
  void write(std::string_view text) override;
  void end_token() override;
  void finish() override { next_.finish(); }

 private:
  DecoderStage& next_;
  const Metaspace& metaspace_;
  bool first_ = true;
};

}  // namespace gpumodel::engine::text

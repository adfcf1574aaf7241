// Text to token ids and back, exactly as Hugging Face's `tokenizers` does by the same
// tokenizer.json (byte-level and byte-fallback BPE), but for one rule: text that the chat template
// did not write never becomes a special token.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/segment.hpp"

namespace gpumodel::engine::text {

// Const members may be called from any number of threads at once. Text is well-formed UTF-8
// (is_valid_utf8() of utf8.hpp); anything else is std::invalid_argument.
class Tokenizer {
 public:
  // Reads the contents of a tokenizer.json. Trusts nothing in it; throws gpumodel::engine::BadModel
  // that names the field, also for everything that is not supported (see the headers of the parts).
  // `truncation` and `padding` are for training and batches, and are ignored.
  static Tokenizer parse(std::string_view tokenizer_json);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // The ids of text of which no part is the template's: special tokens are never found in it (the
  // unknown token, where that is special, can still come out for characters that the vocabulary
  // lacks). With `add_special` the post-processor's tokens are added around it. Time is
  // proportional to the text, times the logarithm of its longest word. Throws RegexGaveUp
  // (regex.hpp) where a pattern of the model needs too much time for this text.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special) const;

  // The ids of the concatenated segments. Special tokens are found where they lie wholly within
  // template text, whatever user text stands beside them; other added tokens anywhere. The ids are
  // those that `tokenizers` gives for the joined string, as long as no special token is spelt
  // with any character from a user.
  std::vector<std::int32_t> encode(std::span<const Segment> segments, bool add_special) const;

  // The text of tokens; ids that are not known are left out, with `skip_special` special ones too.
  // (`tokenizers` forgets to leave out those whose normal form is not what the file has). Bytes
  // that are not UTF-8 become U+FFFD. For streams see Detokenizer.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special) const;

  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  // The token as the file has it ("Ġthe"); empty for an id that is not known.
  std::string_view id_to_token(std::int32_t id) const;

  // The bytes that each id adds to a text behind other tokens, by id; empty for special and unknown
  // ones. Null where there are no such bytes: the model's decoder puts something between tokens.
  std::optional<std::vector<std::string>> token_bytes() const;

  std::int32_t vocab_size() const;  // the largest id plus one, added tokens included
  bool is_known(std::int32_t id) const;
  bool is_special(std::int32_t id) const;

 private:
  friend class Detokenizer;
  struct Parts;
  explicit Tokenizer(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace gpumodel::engine::text

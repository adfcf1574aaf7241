#include "engine/text/tokenizer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "engine/io/bad_model.hpp"
#include "engine/text/detokenizer.hpp"
#include "engine/text/json_node.hpp"
#include "engine/text/tokenizer_file.hpp"
#include "engine/text/tokenizer_parts.hpp"
#include "engine/text/unicode.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {
namespace {

// An added token that the model's vocabulary has too must have the same id there, and no other
// token may have its id: `tokenizers` would renumber it, and the model was not trained so.
void check_added_ids(const JsonNode& root, const AddedTokens& added, const Vocabulary& vocabulary) {
  for (std::size_t i = 0; i < added.tokens().size(); ++i) {
    const AddedToken& token = added.tokens()[i];
    const std::optional<std::int32_t> known_id = vocabulary.find(token.content);
    const std::optional<std::string_view> other = vocabulary.token(token.id);
    if ((known_id && *known_id != token.id) || (other && *other != token.content)) {
      root.at("added_tokens")
          .items()[i]
          .fail("its id or content has another meaning in model.vocab");
    }
  }
}

// Returns the state to the pool however the encoding ends.
class Lent {
 public:
  explicit Lent(EncodeStates& states) : states_(states), state_(states.take()) {}
  ~Lent() { states_.give_back(std::move(state_)); }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;
  EncodeState& operator*() { return *state_; }

 private:
  EncodeStates& states_;
  std::unique_ptr<EncodeState> state_;
};

void check_utf8(std::string_view text) {
  if (!is_valid_utf8(text)) throw std::invalid_argument("the text is not valid UTF-8");
}

}  // namespace

std::unique_ptr<EncodeState> EncodeStates::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!kept_.empty()) {
      std::unique_ptr<EncodeState> state = std::move(kept_.back());
      kept_.pop_back();
      return state;
    }
  }
  return std::make_unique<EncodeState>();
}

void EncodeStates::give_back(std::unique_ptr<EncodeState> state) {
  const std::lock_guard lock(mutex_);
  if (kept_.size() < kMaxKept) kept_.push_back(std::move(state));
}

Tokenizer::Tokenizer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::parse(std::string_view tokenizer_json) {
  TokenizerFile file = TokenizerFile::parse(tokenizer_json);
  const nlohmann::json rest = std::move(file.rest);
  const JsonNode root(rest, std::string(kTokenizerFile));
  auto parts = std::make_unique<Parts>();
  try {
    parts->normalizer = Normalizer::parse(root.at("normalizer"));
    parts->added = AddedTokens::parse(root.at("added_tokens"), parts->normalizer);
    parts->pre_tokenizer = PreTokenizer::parse(root.at("pre_tokenizer"));
    parts->bpe = Bpe::parse(root.at("model"), std::move(file), parts->added);
    parts->post_processor = PostProcessor::parse(root.at("post_processor"));
    parts->decoder = Decoder::parse(root.at("decoder"));
  } catch (const RegexGaveUp& e) {
    root.at("added_tokens").fail(e.what());
  }
  check_added_ids(root, parts->added, parts->bpe.vocabulary());
  parts->vocab_size = parts->bpe.vocabulary().id_limit();
  for (const AddedToken& token : parts->added.tokens()) {
    parts->vocab_size = std::max(parts->vocab_size, token.id + 1);
  }
  Tokenizer tokenizer(std::move(parts));
  for (const auto* ids :
       {&tokenizer.parts_->post_processor.before, &tokenizer.parts_->post_processor.behind}) {
    for (const std::int32_t id : *ids) {
      if (!tokenizer.is_known(id)) {
        root.at("post_processor").fail(fmt::format("the id {} is no token's", id));
      }
    }
  }
  return tokenizer;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special) const {
  const Segment segment{std::string(text), /*from_template=*/false};
  return encode(std::span(&segment, 1), add_special);
}

std::vector<std::int32_t> Tokenizer::encode(std::span<const Segment> segments,
                                            bool add_special) const {
  TracedText text;
  const bool traced = std::any_of(segments.begin(), segments.end(),
                                  [](const Segment& s) { return s.from_template; });
  for (const Segment& segment : segments) {
    text.bytes.append(segment.text);
    if (traced) text.trusted.append(segment.text.size(), segment.from_template ? '\1' : '\0');
  }
  check_utf8(text.bytes);
  std::vector<std::int32_t> ids;
  ids.reserve(text.bytes.size() / 3 + 8);
  if (add_special) ids = parts_->post_processor.before;
  Lent state(parts_->states);
  parts_->encode(text, *state, ids);
  if (add_special) {
    const std::vector<std::int32_t>& behind = parts_->post_processor.behind;
    ids.insert(ids.end(), behind.begin(), behind.end());
  }
  return ids;
}

void Tokenizer::Parts::encode(const TracedText& text, EncodeState& state,
                              std::vector<std::int32_t>& ids) const {
  for (const AddedTokens::Split& split : added.split(text, /*normalized=*/false, state.match)) {
    if (split.id >= 0) {
      ids.push_back(split.id);
    } else {
      encode_piece(text, split.begin, split.end, state, ids);
    }
  }
}

void Tokenizer::Parts::encode_piece(const TracedText& text, std::size_t begin, std::size_t end,
                                    EncodeState& state, std::vector<std::int32_t>& ids) const {
  TracedText piece;
  if (added.has_normalized_special()) {
    piece.copy(text, begin, end);
  } else {
    piece.bytes = text.bytes.substr(begin, end - begin);
  }
  normalizer.apply(piece, state.match);
  for (const AddedTokens::Split& split : added.split(piece, /*normalized=*/true, state.match)) {
    if (split.id >= 0) {
      ids.push_back(split.id);
      continue;
    }
    Words words;
    words.text = piece.bytes.substr(split.begin, split.end - split.begin);
    words.ranges = {{0, words.text.size()}};
    words.at_input_start = begin == 0 && split.begin == 0;
    words.newer = has_newer_characters(words.text);
    pre_tokenizer.apply(words, state.match);
    for (const MatchRange& range : words.ranges) {
      bpe.encode(words.word(range), pre_tokenizer.byte_level(), state.bpe, ids);
    }
  }
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  Detokenizer detokenizer(*this, skip_special);
  std::string text;
  for (const std::int32_t id : ids) text += detokenizer.push(id);
  return text + detokenizer.flush();
}

std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  if (const AddedToken* added = parts_->added.find(token)) return added->id;
  return parts_->bpe.vocabulary().find(token);
}

std::string_view Tokenizer::id_to_token(std::int32_t id) const {
  if (const AddedToken* added = parts_->added.find(id)) return added->content;
  return parts_->bpe.vocabulary().token(id).value_or(std::string_view());
}

std::int32_t Tokenizer::vocab_size() const { return parts_->vocab_size; }

bool Tokenizer::is_known(std::int32_t id) const {
  return parts_->added.find(id) != nullptr || parts_->bpe.vocabulary().token(id).has_value();
}

bool Tokenizer::is_special(std::int32_t id) const { return parts_->added.is_special(id); }

}  // namespace gpumodel::engine::text

#include "engine/text/pre_tokenizer.hpp"

#include "engine/text/byte_level.hpp"
#include "engine/text/char_class.hpp"
#include "engine/text/json_node.hpp"
#include "engine/text/metaspace.hpp"
#include "engine/text/pattern.hpp"
#include "engine/text/split_behavior.hpp"
#include "engine/text/unicode.hpp"

namespace gpumodel::engine::text {
namespace {

// GPT-2's pattern, which ByteLevel splits by where use_regex is set.
constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class PatternStep final : public PreTokenizer::Step {
 public:
  PatternStep(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void apply(Words& words, MatchState& state) const override {
    std::vector<MatchRange> out;
    out.reserve(words.ranges.size() + words.text.size() / 4);
    Splitter splitter(behavior_, invert_, out);
    for (const MatchRange& range : words.ranges) {
      splitter.start(range);
      pattern_.for_each_match(words.word(range), words.newer, state, [&](MatchRange match) {
        splitter.match({range.begin + match.begin, range.begin + match.end});
      });
      splitter.finish();
    }
    words.ranges = std::move(out);
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

// Splits at each character with a property.
class CharacterStep final : public PreTokenizer::Step {
 public:
  CharacterStep(bool (*is_match)(char32_t), SplitBehavior behavior)
      : is_match_(is_match), behavior_(behavior) {}

  void apply(Words& words, MatchState&) const override {
    std::vector<MatchRange> out;
    out.reserve(words.ranges.size());
    Splitter splitter(behavior_, /*invert=*/false, out);
    for (const MatchRange& range : words.ranges) {
      splitter.start(range);
      for (std::size_t offset = range.begin; offset < range.end;) {
        const std::size_t begin = offset;
        if (is_match_(next_code_point(words.text, offset))) splitter.match({begin, offset});
      }
      splitter.finish();
    }
    words.ranges = std::move(out);
  }

 private:
  bool (*is_match_)(char32_t);
  SplitBehavior behavior_;
};

// Writes every word anew.
template <typename Rewrite>
void rewrite_words(Words& words, Rewrite rewrite) {
  std::string text;
  text.reserve(words.text.size() + words.ranges.size());
  for (MatchRange& range : words.ranges) {
    const std::size_t begin = text.size();
    rewrite(text, words.word(range));
    range = {begin, text.size()};
  }
  words.text = std::move(text);
}

class PrefixSpaceStep final : public PreTokenizer::Step {
 public:
  void apply(Words& words, MatchState&) const override {
    rewrite_words(words, [](std::string& out, std::string_view word) {
      if (!word.starts_with(' ')) out.push_back(' ');
      out.append(word);
    });
  }
};

class ByteCharactersStep final : public PreTokenizer::Step {
 public:
  void apply(Words& words, MatchState&) const override {
    rewrite_words(words, append_byte_level);
    words.newer = false;
  }
};

class MetaspaceStep final : public PreTokenizer::Step {
 public:
  explicit MetaspaceStep(Metaspace metaspace)
      : metaspace_(std::move(metaspace)),
        split_(Pattern::literal(metaspace_.replacement), SplitBehavior::kMergedWithNext,
               /*invert=*/false) {}

  void apply(Words& words, MatchState& state) const override {
    bool first = words.at_input_start;
    rewrite_words(words, [&](std::string& out, std::string_view word) {
      const bool prefixed = word.starts_with(' ') || word.starts_with(metaspace_.replacement);
      const bool wanted = metaspace_.scheme == Metaspace::Scheme::kAlways ||
                          (metaspace_.scheme == Metaspace::Scheme::kFirst && first);
      if (wanted && !prefixed) out.append(metaspace_.replacement);
      for (const char c : word) c == ' ' ? out.append(metaspace_.replacement) : (out += c);
      first = false;
    });
    if (metaspace_.split) {
      split_.apply(words, state);
    }
  }

 private:
  Metaspace metaspace_;
  PatternStep split_;
};

// The \w+|[^\w\s]+ of Rust's regex crate.
Pattern whitespace_pattern() {
  CharClass word;
  CharClass word_or_space;
  bool grew = false;
  property_class("word_or_joiner", /*newer=*/true, word, grew);
  property_class("space", /*newer=*/true, word_or_space, grew);
  word_or_space.add(word);
  return Pattern::native(word.expression() + "+|" + word_or_space.negated_expression() + "+");
}

}  // namespace

PreTokenizer PreTokenizer::parse(const JsonNode& node) {
  PreTokenizer pre_tokenizer;
  if (!node.is_null()) pre_tokenizer.add(node);
  if (!pre_tokenizer.steps_.empty() &&
      dynamic_cast<const ByteCharactersStep*>(pre_tokenizer.steps_.back().get()) != nullptr) {
    pre_tokenizer.steps_.pop_back();
    pre_tokenizer.byte_level_ = true;
  }
  return pre_tokenizer;
}

void PreTokenizer::add_byte_level(const JsonNode& node) {
  if (node.at("add_prefix_space").boolean()) {
    steps_.push_back(std::make_unique<PrefixSpaceStep>());
  }
  if (node.boolean("use_regex", true)) {
    steps_.push_back(std::make_unique<PatternStep>(Pattern::regex(kByteLevelPattern),
                                                   SplitBehavior::kIsolated, /*invert=*/false));
  }
  steps_.push_back(std::make_unique<ByteCharactersStep>());
}

void PreTokenizer::add(const JsonNode& node) {
  const std::string type = node.type();
  if (type == "Sequence") {
    for (const JsonNode& item : node.at("pretokenizers").items()) add(item);
  } else if (type == "Split") {
    steps_.push_back(std::make_unique<PatternStep>(Pattern::parse(node.at("pattern")),
                                                   parse_split_behavior(node.at("behavior")),
                                                   node.boolean("invert", false)));
  } else if (type == "ByteLevel") {
    add_byte_level(node);
  } else if (type == "Digits") {
    const bool individual = node.at("individual_digits").boolean();
    steps_.push_back(std::make_unique<CharacterStep>(
        is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  } else if (type == "Punctuation") {
    steps_.push_back(std::make_unique<CharacterStep>(
        is_punctuation, node.has("behavior") ? parse_split_behavior(node.at("behavior"))
                                             : SplitBehavior::kIsolated));
  } else if (type == "Metaspace") {
    steps_.push_back(std::make_unique<MetaspaceStep>(Metaspace::parse(node)));
  } else if (type == "Whitespace") {
    steps_.push_back(std::make_unique<PatternStep>(whitespace_pattern(), SplitBehavior::kRemoved,
                                                   /*invert=*/true));
  } else if (type == "WhitespaceSplit") {
    steps_.push_back(std::make_unique<CharacterStep>(is_white_space, SplitBehavior::kRemoved));
  } else {
    node.unsupported("type");
  }
}

void PreTokenizer::apply(Words& words, MatchState& state) const {
  for (const auto& step : steps_) step->apply(words, state);
}

}  // namespace gpumodel::engine::text

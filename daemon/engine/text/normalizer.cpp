#include "engine/text/normalizer.hpp"

#include "engine/text/json_node.hpp"
#include "engine/text/normal_form.hpp"
#include "engine/text/pattern.hpp"
#include "engine/text/unicode.hpp"

namespace gpumodel::engine::text {
namespace {

class FormStep final : public Normalizer::Step {
 public:
  explicit FormStep(NormalForm form) : form_(form) {}
  void apply(TracedText& text, MatchState&) const override { apply_normal_form(text, form_); }

 private:
  NormalForm form_;
};

// Rewrites character by character; `Rewrite` is void(std::string&, char32_t).
template <typename Rewrite>
void rewrite_characters(TracedText& text, Rewrite rewrite) {
  TracedText out;
  std::string piece;
  for (std::size_t offset = 0; offset < text.bytes.size();) {
    const std::size_t begin = offset;
    piece.clear();
    rewrite(piece, next_code_point(text.bytes, offset));
    out.rewrite(text, begin, offset, piece);
  }
  text = std::move(out);
}

class LowercaseStep final : public Normalizer::Step {
 public:
  void apply(TracedText& text, MatchState&) const override {
    rewrite_characters(text, append_lowercase);
  }
};

class StripAccentsStep final : public Normalizer::Step {
 public:
  void apply(TracedText& text, MatchState&) const override {
    rewrite_characters(text, [](std::string& out, char32_t c) {
      if (!is_mark(c)) append_code_point(out, c);
    });
  }
};

class StripStep final : public Normalizer::Step {
 public:
  StripStep(bool left, bool right) : left_(left), right_(right) {}

  void apply(TracedText& text, MatchState&) const override {
    std::size_t begin = 0;
    std::size_t end = 0;  // behind the last character that is no space
    bool only_spaces = true;
    for (std::size_t offset = 0; offset < text.bytes.size();) {
      const std::size_t here = offset;
      if (is_white_space(next_code_point(text.bytes, offset))) continue;
      if (only_spaces) begin = here;
      only_spaces = false;
      end = offset;
    }
    if (!left_) begin = 0;
    if (only_spaces && left_) begin = text.bytes.size();
    if (!right_ || (only_spaces && left_)) end = text.bytes.size();
    TracedText out;
    out.copy(text, begin, end);
    text = std::move(out);
  }

 private:
  bool left_;
  bool right_;
};

class ReplaceStep final : public Normalizer::Step {
 public:
  ReplaceStep(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void apply(TracedText& text, MatchState& state) const override {
    TracedText out;
    std::size_t copied = 0;
    const bool newer = has_newer_characters(text.bytes);
    pattern_.for_each_match(text.bytes, newer, state, [&](MatchRange match) {
      out.copy(text, copied, match.begin);
      out.rewrite(text, match.begin, match.end, content_);
      copied = match.end;
    });
    out.copy(text, copied, text.bytes.size());
    text = std::move(out);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class PrependStep final : public Normalizer::Step {
 public:
  explicit PrependStep(std::string content) : content_(std::move(content)) {}

  void apply(TracedText& text, MatchState&) const override {
    if (text.bytes.empty()) return;
    TracedText out;
    // The tokenizer's own addition: as trustworthy as the template.
    out.rewrite(text, 0, 0, content_);
    out.copy(text, 0, text.bytes.size());
    text = std::move(out);
  }

 private:
  std::string content_;
};

}  // namespace

Normalizer Normalizer::parse(const JsonNode& node) {
  Normalizer normalizer;
  if (!node.is_null()) normalizer.add(node);
  return normalizer;
}

void Normalizer::add(const JsonNode& node) {
  const std::string type = node.type();
  if (type == "Sequence") {
    for (const JsonNode& item : node.at("normalizers").items()) add(item);
  } else if (type == "NFC") {
    steps_.push_back(std::make_unique<FormStep>(NormalForm::kNfc));
  } else if (type == "NFD") {
    steps_.push_back(std::make_unique<FormStep>(NormalForm::kNfd));
  } else if (type == "NFKC") {
    steps_.push_back(std::make_unique<FormStep>(NormalForm::kNfkc));
  } else if (type == "NFKD") {
    steps_.push_back(std::make_unique<FormStep>(NormalForm::kNfkd));
  } else if (type == "Lowercase") {
    steps_.push_back(std::make_unique<LowercaseStep>());
  } else if (type == "StripAccents") {
    steps_.push_back(std::make_unique<StripAccentsStep>());
  } else if (type == "Strip") {
    steps_.push_back(std::make_unique<StripStep>(node.at("strip_left").boolean(),
                                                 node.at("strip_right").boolean()));
  } else if (type == "Replace") {
    steps_.push_back(
        std::make_unique<ReplaceStep>(Pattern::parse(node.at("pattern")), node.string("content")));
  } else if (type == "Prepend") {
    steps_.push_back(std::make_unique<PrependStep>(node.string("prepend")));
  } else {
    node.unsupported("type");
  }
}

void Normalizer::apply(TracedText& text, MatchState& state) const {
  for (const auto& step : steps_) step->apply(text, state);
}

}  // namespace gpumodel::engine::text

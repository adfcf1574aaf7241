#include "engine/text/pattern.hpp"

#include "engine/text/json_node.hpp"

namespace gpumodel::engine::text {

Pattern Pattern::literal(std::string text) {
  Pattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

Pattern Pattern::regex(std::string_view expression) {
  Pattern pattern;
  pattern.regex_ = Regex::compile(expression);
  return pattern;
}

Pattern Pattern::native(const std::string& expression) {
  Pattern pattern;
  pattern.regex_ = Regex::compile_native(expression);
  return pattern;
}

Pattern Pattern::parse(const JsonNode& node) {
  const bool is_literal = node.has("String");
  if (is_literal == node.has("Regex")) node.fail("expected {\"String\": ...} or {\"Regex\": ...}");
  if (is_literal) return literal(node.string("String"));
  const JsonNode expression = node.at("Regex");
  try {
    return regex(expression.string());
  } catch (const BadPattern& e) {
    expression.fail(e.what());
  }
}

bool Pattern::find(std::string_view text, std::size_t from, bool newer, MatchState& state,
                   MatchRange& match) const {
  if (regex_) return regex_->find(text, from, newer, state, match);
  const std::size_t at = text.find(literal_, from);
  if (at == std::string_view::npos) return false;
  match = {at, at + literal_.size()};
  return true;
}

std::optional<std::string_view> Pattern::single_character() const {
  if (regex_ || literal_.empty() ||
      utf8_width(static_cast<unsigned char>(literal_[0])) != literal_.size()) {
    return std::nullopt;
  }
  return literal_;
}

}  // namespace gpumodel::engine::text

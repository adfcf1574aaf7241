// A position in the tokens of a template.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/jinja/lexer.hpp"

namespace gpumodel::engine::text::jinja {

// The token stream that both halves of the parser share.
class TokenCursor {
 public:
  explicit TokenCursor(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view op);
  const Token& expect(TokenKind kind, const char* what);
  void expect_operator(std::string_view op);
  [[noreturn]] void fail(const std::string& reason) const;
  [[noreturn]] void fail_unexpected(const char* wanted) const;

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace gpumodel::engine::text::jinja

#include "engine/text/jinja/token_cursor.hpp"

#include <fmt/format.h>

#include "engine/text/template_error.hpp"

namespace gpumodel::engine::text::jinja {

bool TokenCursor::skip_name(std::string_view name) {
  return current().is_name(name) && (next(), true);
}
bool TokenCursor::skip_operator(std::string_view op) {
  return current().is_operator(op) && (next(), true);
}

const Token& TokenCursor::expect(TokenKind kind, const char* what) {
  if (current().kind != kind) fail_unexpected(what);
  return next();
}

void TokenCursor::expect_operator(std::string_view op) {
  if (!skip_operator(op)) fail_unexpected(fmt::format("'{}'", op).c_str());
}

void TokenCursor::fail(const std::string& reason) const {
  throw TemplateError(current().line, reason);
}

void TokenCursor::fail_unexpected(const char* wanted) const {
  std::string found;
  switch (current().kind) {
    case TokenKind::kEnd:
      found = "the end of the template";
      break;
    case TokenKind::kBlockEnd:
      found = "the end of the tag";
      break;
    case TokenKind::kVariableEnd:
      found = "the end of the print statement";
      break;
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      found = "a number";
      break;
    case TokenKind::kString:
      found = "a string";
      break;
    default:
      found = fmt::format("'{}'", current().text);
      break;
  }
  fail(fmt::format("expected {}, found {}", wanted, found));
}

}  // namespace gpumodel::engine::text::jinja

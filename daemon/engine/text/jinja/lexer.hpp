// Template source to tokens, with the white-space rules of Jinja under trim_blocks and
// lstrip_blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpumodel::engine::text::jinja {

enum class TokenKind : std::uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind;
  int line;
  std::string text;  // data, name, the string's content, the operator
  std::int64_t integer = 0;
  double real = 0;

  bool is(TokenKind wanted, std::string_view spelling) const {
    return kind == wanted && text == spelling;
  }
  bool is_name(std::string_view spelling) const { return is(TokenKind::kName, spelling); }
  bool is_operator(std::string_view spelling) const { return is(TokenKind::kOperator, spelling); }
};

// All tokens, ending in kEnd. Line ends become \n and the source's last one goes, as
// keep_trailing_newline is off. Throws TemplateError for what Jinja's lexer refuses, and for
// integers beyond 64 bits.
std::vector<Token> tokenize(std::string_view source);

}  // namespace gpumodel::engine::text::jinja

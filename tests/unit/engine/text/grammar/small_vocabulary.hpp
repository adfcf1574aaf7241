// A vocabulary for tests of constrained text: every byte, some longer tokens, special ones.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "../tiny_tokenizer.hpp"
#include "engine/text/grammar/matcher.hpp"

namespace gpumodel::test {

inline constexpr std::int32_t kEndToken = 400;
inline constexpr std::int32_t kSpecialToken = 401;

inline std::shared_ptr<const engine::text::Tokenizer> small_tokenizer() {
  nlohmann::json document = byte_tokenizer();
  auto& vocab = document["model"]["vocab"];
  std::int32_t next = 257;
  for (const char* token : {"{\"",   "\":",  "\": ", "\",",  "\"}",     "},",  "],", "[{",  "true",
                            "false", "null", "foo",  "bar",  "\"foo\"", " \"", "12", "1.",  "00",
                            "\\n",   "\\\"", "é",    "日本", "aaaa",    "][",  "{}", "\"\""})
    vocab[token] = next++;
  document["added_tokens"].push_back({{"id", kEndToken},
                                      {"content", "<end>"},
                                      {"single_word", false},
                                      {"lstrip", false},
                                      {"rstrip", false},
                                      {"normalized", false},
                                      {"special", true}});
  document["added_tokens"].push_back(document["added_tokens"].back());
  document["added_tokens"].back()["id"] = kSpecialToken;
  document["added_tokens"].back()["content"] = "{}}";
  return std::make_shared<const engine::text::Tokenizer>(
      engine::text::Tokenizer::parse(document.dump()));
}

inline std::int32_t byte_token(char byte) { return 1 + static_cast<unsigned char>(byte); }

inline engine::text::grammar::Compiler small_compiler() {
  const auto tokenizer = small_tokenizer();
  return {tokenizer, tokenizer->vocab_size(), {kEndToken}, 1 << 20};
}

// Whether the constraint takes the text, byte by byte, and may end behind it.
inline bool takes(const engine::text::grammar::CompiledPtr& compiled, const std::string& text) {
  engine::text::grammar::Matcher matcher(compiled);
  for (const char byte : text) {
    if (!matcher.allows(byte_token(byte))) return false;
    matcher.accept(byte_token(byte));
  }
  return matcher.may_end();
}

}  // namespace gpumodel::test

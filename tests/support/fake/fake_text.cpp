#include "support/fake/fake_text.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

namespace gpumodel::test {
namespace {

std::string replace_invalid_utf8(const std::string& text) {
  if (wire::is_valid_utf8(text)) return text;
  // dump() with `replace` is a UTF-8 repair; parsing takes its quotes and escapes off again.
  const nlohmann::json quoted(text);
  const std::string dumped = quoted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(dumped).get<std::string>();
}

}  // namespace

std::vector<std::int32_t> fake_tokenize(const std::string& text) {
  std::vector<std::int32_t> tokens;
  tokens.reserve(text.size());
  for (const char byte : text) tokens.push_back(static_cast<unsigned char>(byte));
  return tokens;
}

std::string fake_detokenize(const std::vector<std::int32_t>& tokens, std::uint32_t vocab_size) {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int32_t token = tokens[i];
    if (token < 0 || static_cast<std::uint32_t>(token) >= vocab_size)
      throw wire::Error(wire::Code::bad_request,
                        "tokens[" + std::to_string(i) + "]: " + std::to_string(token) +
                            " is not in the vocabulary of " + std::to_string(vocab_size));
    if (token < kFirstWordToken) {
      text.push_back(static_cast<char>(token));
    } else {
      text += std::to_string(token - kFirstWordToken + 1) + " ";
    }
  }
  return replace_invalid_utf8(text);
}

std::string fake_render(const wire::RenderInput& input) {
  std::string text;
  if (input.messages) {
    for (const wire::Message& message : *input.messages)
      text += message.role + ": " + message.content + "\n";
    return text;
  }
  try {
    const nlohmann::json json = nlohmann::json::parse(input.messages_json.value_or("[]"));
    for (const auto& message : json.is_object() ? json.at("messages") : json)
      text += message.at("role").get<std::string>() + ": " +
              message.at("content").get<std::string>() + "\n";
  } catch (const nlohmann::json::exception& error) {
    throw wire::Error(wire::Code::bad_request, std::string("messages_json: ") + error.what());
  }
  return text;
}

std::string fake_prompt_text(const wire::GenerationParams& params, std::uint32_t vocab_size) {
  if (params.prompt) return *params.prompt;
  if (params.tokens) return fake_detokenize(*params.tokens, vocab_size);
  return fake_render({params.messages, params.messages_json});
}

std::string fake_word(const std::string& prompt, std::uint32_t k) {
  std::istringstream in(prompt);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  if (words.empty()) words.push_back("word");
  return std::to_string(k + 1) + ":" + words[k % words.size()] + " ";
}

}  // namespace gpumodel::test

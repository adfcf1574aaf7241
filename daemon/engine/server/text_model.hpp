// A model folder's text side: tokenizer, chat template and special tokens. Needs no weights.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/folder.hpp"
#include "engine/text/chat_template.hpp"
#include "engine/text/tokenizer.hpp"
#include "wire/messages.hpp"

namespace gpumodel::engine::server {

// Immutable; const members from any number of threads.
class TextModel {
 public:
  // Reads tokenizer.json, and where they are there tokenizer_config.json and chat_template.jinja
  // (which comes before the former's chat_template, as in transformers). A template that does not
  // parse fails only when it is used. Throws BadModel.
  static TextModel read(const io::Folder& folder);

  const text::Tokenizer& tokenizer() const { return tokenizer_; }
  // tokenizer_config.json's eos_token.
  std::optional<std::int32_t> eos_token() const { return eos_token_; }
  // Why messages cannot be rendered; empty where they can.
  std::string template_error() const;

  // Throws wire::Error{bad_request} where the text is not UTF-8 or takes a pattern too long.
  std::vector<std::int32_t> tokenize(const std::string& text, bool special) const;
  // Throws wire::Error{bad_request} that names the index of an unknown id.
  std::string detokenize(const std::vector<std::int32_t>& tokens) const;
  // Throws wire::Error{bad_request} with the template's own message.
  std::string render(const wire::RenderInput& input) const;
  // The prompt of a generation, whichever form it has; not checked against the model's vocabulary.
  // Throws wire::Error{bad_request}.
  std::vector<std::int32_t> prompt(const wire::GenerationParams& params) const;

 private:
  explicit TextModel(text::Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}
  void read_config(const nlohmann::ordered_json& config);
  void read_template(const nlohmann::ordered_json& config, std::optional<std::string> file);
  std::vector<text::Segment> render_segments(const wire::RenderInput& input) const;

  struct Template {
    std::optional<text::ChatTemplate> parsed;
    std::string error;  // why it is not parsed
  };
  static Template parse_template(const std::string& source);

  text::Tokenizer tokenizer_;
  std::optional<std::int32_t> eos_token_;
  nlohmann::ordered_json special_tokens_ = nlohmann::ordered_json::object();
  std::optional<Template> template_;
  std::optional<Template> tool_template_;  // for requests with tools, where the folder has one
};

}  // namespace gpumodel::engine::server

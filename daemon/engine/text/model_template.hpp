// The chat templates of a model folder, and the prompt that they make of a conversation.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/text/chat_template.hpp"

namespace gpumodel::engine::text {

// What a client asks to be rendered. Everything in it is input: none of it can become a special
// token.
struct ChatRequest {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();  // objects
  nlohmann::ordered_json tools;                                       // null or an array of objects
  nlohmann::ordered_json documents;                                   // null or an array of objects
  bool add_generation_prompt = true;
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();  // further template variables
};

// Immutable after load(); safe to use from several threads.
class ModelTemplate {
 public:
  // Reads chat_template.jinja, or else `chat_template` of tokenizer_config.json (a string, or a
  // list of {name, template}), and the special tokens of tokenizer_config.json and
  // special_tokens_map.json. A folder without any of them is fine. Throws TemplateError, which
  // names the file, for one that cannot be read or is malformed. A template with an error is kept:
  // render_chat() reports it.
  static ModelTemplate load(const std::string& folder);

  bool has_template() const noexcept { return !templates_.empty(); }
  // bos_token and its kin, by name, as far as the folder sets them.
  const nlohmann::ordered_json& special_tokens() const noexcept { return special_tokens_; }

  // As transformers' apply_chat_template(): the template "tool_use" where tools are given and there
  // is one, else "default"; message fields that are null are left out, and reasoning is passed
  // under each of its usual names. Throws TemplateError.
  std::vector<Segment> render_chat(const ChatRequest& request,
                                   const TemplateLimits& limits = {}) const;

 private:
  struct Named {
    std::string name;
    std::optional<ChatTemplate> parsed;
    std::optional<TemplateError> error;  // why it is not parsed
  };

  void add_template(std::string name, const std::string& source);
  void add_configured(const nlohmann::ordered_json& configured);
  void add_special_tokens(const nlohmann::ordered_json& file);
  const ChatTemplate& choose(bool with_tools) const;

  std::vector<Named> templates_;
  nlohmann::ordered_json special_tokens_ = nlohmann::ordered_json::object();
};

}  // namespace gpumodel::engine::text

#include "engine/server/text_model.hpp"

#include "engine/io/json.hpp"
#include "engine/server/chat_input.hpp"
#include "engine/text/regex.hpp"

namespace gpumodel::engine::server {
namespace {

using nlohmann::ordered_json;
using wire::Code;
using wire::Error;

constexpr char kTokenizerFile[] = "tokenizer.json";
constexpr char kConfigFile[] = "tokenizer_config.json";
constexpr char kTemplateFile[] = "chat_template.jinja";

// SPECIAL_TOKENS_ATTRIBUTES of transformers' tokenization_utils_base.py.
constexpr const char* kSpecialTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                          "pad_token", "cls_token", "mask_token"};

constexpr char kNoTemplate[] =
    "the model has no chat template; give prompt or tokens instead of messages";

std::string unusable(const std::string& error) {
  return "the model's chat template cannot be used: " + error;
}

// A special token is a string, or an object of an AddedToken.
std::optional<std::string> token_text(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value.at("content").is_string())
    return value.at("content").get<std::string>();
  return std::nullopt;
}

template <class Call>
auto as_bad_request(Call call) {
  try {
    return call();
  } catch (const text::RegexGaveUp& error) {
    throw Error(Code::bad_request, std::string("the text cannot be tokenised: ") + error.what());
  } catch (const std::invalid_argument& error) {
    throw Error(Code::bad_request, error.what());
  }
}

}  // namespace

TextModel TextModel::read(const io::Folder& folder) {
  TextModel model(text::Tokenizer::parse(folder.read_text(kTokenizerFile, io::kMaxTokenizerBytes)));
  ordered_json config = ordered_json::object();
  if (const auto text = folder.find_text(kConfigFile, io::kMaxJsonBytes)) {
    config = io::parse_json(*text, kConfigFile);
    if (!config.is_object()) throw BadModel(kConfigFile, "is not a JSON object");
  }
  model.read_config(config);
  model.read_template(config, folder.find_text(kTemplateFile, io::kMaxJsonBytes));
  return model;
}

void TextModel::read_config(const ordered_json& config) {
  for (const char* name : kSpecialTokens) {
    if (!config.contains(name)) continue;
    if (const auto text = token_text(config.at(name))) special_tokens_[name] = *text;
  }
  if (special_tokens_.contains("eos_token"))
    eos_token_ = tokenizer_.token_to_id(special_tokens_.at("eos_token").get<std::string>());
}

TextModel::Template TextModel::parse_template(const std::string& source) {
  try {
    return {text::ChatTemplate::parse(source), {}};
  } catch (const text::TemplateError& error) {
    return {std::nullopt, error.what()};
  }
}

void TextModel::read_template(const ordered_json& config, std::optional<std::string> file) {
  if (file) {
    template_ = parse_template(*file);
    return;
  }
  if (!config.contains("chat_template")) return;
  const ordered_json& value = config.at("chat_template");
  if (value.is_string()) template_ = parse_template(value.get<std::string>());
  if (!value.is_array()) return;
  // Several by name: [{"name": "default", "template": "..."}, {"name": "tool_use", ...}]
  for (const ordered_json& entry : value) {
    if (!entry.is_object() || !entry.contains("name") || !entry.contains("template") ||
        !entry.at("template").is_string())
      throw BadModel(kConfigFile, "chat_template: expected objects with name and template");
    if (entry.at("name") == "default") template_ = parse_template(entry.at("template"));
    if (entry.at("name") == "tool_use") tool_template_ = parse_template(entry.at("template"));
  }
}

std::string TextModel::template_error() const {
  if (!template_) return kNoTemplate;
  return template_->parsed ? std::string() : unusable(template_->error);
}

std::vector<std::int32_t> TextModel::tokenize(const std::string& text, bool special) const {
  return as_bad_request([&] { return tokenizer_.encode(text, special); });
}

std::string TextModel::detokenize(const std::vector<std::int32_t>& tokens) const {
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (!tokenizer_.is_known(tokens[i]))
      throw Error(Code::bad_request, "tokens[" + std::to_string(i) + "]: the tokenizer knows no " +
                                         std::to_string(tokens[i]));
  return tokenizer_.decode(tokens, false);
}

std::vector<text::Segment> TextModel::render_segments(const wire::RenderInput& input) const {
  const ordered_json context = chat_context(input);
  const bool has_tools = !context.at("tools").is_null();
  const auto& chosen = has_tools && tool_template_ ? tool_template_ : template_;
  if (!chosen || !chosen->parsed)
    throw Error(Code::bad_request, chosen ? unusable(chosen->error) : kNoTemplate);
  try {
    return chosen->parsed->render(context, special_tokens_, text::TemplateLimits{});
  } catch (const text::TemplateError& error) {
    throw Error(Code::bad_request, std::string("the model's chat template: ") + error.what());
  }
}

std::string TextModel::render(const wire::RenderInput& input) const {
  std::string text;
  for (const text::Segment& segment : render_segments(input)) text += segment.text;
  return text;
}

std::vector<std::int32_t> TextModel::prompt(const wire::GenerationParams& params) const {
  if (params.tokens) return *params.tokens;
  if (params.prompt) return tokenize(*params.prompt, true);
  const auto segments = render_segments({params.messages, params.messages_json});
  return as_bad_request([&] { return tokenizer_.encode(segments, false); });
}

}  // namespace gpumodel::engine::server

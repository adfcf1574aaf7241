#include "engine/text/model_template.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

namespace gpumodel::engine::text {
namespace {

using nlohmann::ordered_json;

// tokenizer_config.json lists added tokens one by one; 3 MiB is the most that known models have.
constexpr std::size_t kMaxFileBytes = std::size_t{32} << 20;

constexpr std::array<std::string_view, 7> kTokenNames{
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
constexpr std::array<std::string_view, 3> kReasoningNames{"reasoning_content", "thinking",
                                                          "reasoning"};

// Nothing where the file does not exist.
std::optional<std::string> read_file(const std::string& folder, const char* name) {
  errno = 0;
  std::ifstream in(folder + "/" + name, std::ios::binary);
  if (!in) {
    if (errno == ENOENT) return std::nullopt;
    throw TemplateError(0, fmt::format("{} cannot be read: {}", name, std::strerror(errno)));
  }
  std::string text;
  std::array<char, 65536> piece{};
  do {
    in.read(piece.data(), piece.size());
    text.append(piece.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > kMaxFileBytes)
      throw TemplateError(0, fmt::format("{} is larger than {} bytes", name, kMaxFileBytes));
  } while (in);
  if (in.bad()) throw TemplateError(0, fmt::format("{} cannot be read", name));
  return text;
}

// An empty object where the file does not exist.
ordered_json read_json(const std::string& folder, const char* name) {
  const auto text = read_file(folder, name);
  if (!text) return ordered_json::object();
  auto json = ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw TemplateError(0, fmt::format("{} is not a JSON object", name));
  return json;
}

void require_objects(const ordered_json& list, const char* what) {
  if (!list.is_array()) throw TemplateError(0, fmt::format("{} must be an array", what));
  for (const auto& each : list)
    if (!each.is_object())
      throw TemplateError(0, fmt::format("every element of {} must be an object", what));
}

// transformers: _normalize_chat_messages, then _alias_reasoning_fields.
ordered_json normalize(const ordered_json& message) {
  ordered_json fields = ordered_json::object();
  const ordered_json* reasoning = nullptr;
  for (const std::string_view name : kReasoningNames) {
    const auto found = message.find(name);
    if (reasoning == nullptr && found != message.end() && !found->is_null()) reasoning = &*found;
  }
  if (reasoning != nullptr) fields["thinking"] = *reasoning;
  for (const auto& [name, value] : message.items())
    if (!value.is_null()) fields[name] = value;
  if (reasoning != nullptr) fields["reasoning_content"] = *reasoning;
  return fields;
}

}  // namespace

void ModelTemplate::add_template(std::string name, const std::string& source) {
  Named named{std::move(name), std::nullopt, std::nullopt};
  try {
    named.parsed = ChatTemplate::parse(source);
  } catch (const TemplateError& error) {
    named.error = error;
  }
  templates_.push_back(std::move(named));
}

void ModelTemplate::add_configured(const ordered_json& configured) {
  if (configured.is_null()) return;
  if (configured.is_string())
    return add_template("default", configured.get_ref<const std::string&>());
  constexpr auto kWrong =
      "tokenizer_config.json: chat_template must be a string or a list of {name, template}";
  if (!configured.is_array()) throw TemplateError(0, kWrong);
  for (const auto& each : configured) {
    if (!each.is_object() || !each.contains("name") || !each["name"].is_string() ||
        !each.contains("template") || !each["template"].is_string())
      throw TemplateError(0, kWrong);
    add_template(each["name"].get<std::string>(), each["template"].get_ref<const std::string&>());
  }
}

void ModelTemplate::add_special_tokens(const ordered_json& file) {
  for (const std::string_view name : kTokenNames) {
    const auto found = file.find(name);
    if (found == file.end() || special_tokens_.contains(name)) continue;
    const ordered_json* content = &*found;
    if (found->is_object() && found->contains("content")) content = &(*found)["content"];
    if (content->is_string()) special_tokens_[std::string(name)] = *content;
  }
}

ModelTemplate ModelTemplate::load(const std::string& folder) {
  ModelTemplate loaded;
  const ordered_json config = read_json(folder, "tokenizer_config.json");
  if (const auto source = read_file(folder, "chat_template.jinja")) {
    loaded.add_template("default", *source);
  } else if (config.contains("chat_template")) {
    loaded.add_configured(config["chat_template"]);
  }
  loaded.add_special_tokens(config);
  loaded.add_special_tokens(read_json(folder, "special_tokens_map.json"));
  return loaded;
}

const ChatTemplate& ModelTemplate::choose(bool with_tools) const {
  if (templates_.empty())
    throw TemplateError(0,
                        "this model has no chat template; send a plain prompt instead of messages");
  const auto find = [this](std::string_view name) {
    return std::find_if(templates_.begin(), templates_.end(),
                        [&](const Named& each) { return each.name == name; });
  };
  auto found = with_tools ? find("tool_use") : templates_.end();
  if (found == templates_.end()) found = find("default");
  if (found == templates_.end())
    throw TemplateError(0, fmt::format("this model has no chat template named 'default', only '{}'",
                                       templates_.front().name));
  if (found->error) throw TemplateError(*found->error);
  return *found->parsed;
}

std::vector<Segment> ModelTemplate::render_chat(const ChatRequest& request,
                                                const TemplateLimits& limits) const {
  require_objects(request.messages, "messages");
  if (!request.tools.is_null()) require_objects(request.tools, "tools");
  if (!request.documents.is_null()) require_objects(request.documents, "documents");
  if (!request.extra.is_object())
    throw TemplateError(0, "the template's extra values must be an object");
  const ChatTemplate& chosen = choose(!request.tools.is_null());
  ordered_json context = request.extra;
  for (const char* reserved : {"messages", "tools", "documents", "add_generation_prompt"})
    if (context.contains(reserved))
      throw TemplateError(0,
                          fmt::format("'{}' cannot be given as an extra template value", reserved));
  context["messages"] = ordered_json::array();
  for (const auto& message : request.messages) context["messages"].push_back(normalize(message));
  context["tools"] = request.tools;
  context["documents"] = request.documents;
  context["add_generation_prompt"] = request.add_generation_prompt;
  return chosen.render(context, special_tokens_, limits);
}

}  // namespace gpumodel::engine::text

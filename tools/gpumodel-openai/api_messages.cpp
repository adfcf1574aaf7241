#include "gpumodel-openai/api_messages.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "gpumodel-openai/api_error.hpp"
#include "gpumodel-openai/bounded_json.hpp"

namespace gpumodel_openai {
namespace {

using nlohmann::ordered_json;

const std::set<std::string> kRoles = {"system", "developer", "user", "assistant", "tool"};

std::string at(std::size_t index) { return "messages[" + std::to_string(index) + "]"; }

// Of text parts.
std::string text_of(const ordered_json& parts, const std::string& where) {
  std::string text;
  for (const ordered_json& part : parts) {
    const auto type = part.is_object() ? part.find("type") : part.end();
    if (type == part.end() || !type->is_string())
      throw bad_param(where + ".content", "parts with a type are expected");
    if (*type != "text" || !part.contains("text") || !part["text"].is_string())
      throw unsupported_param(where + ".content",
                              "a part of type " + type->dump() + "; only text is served");
    text += part["text"].get<std::string>();
  }
  return text;
}

void read_content(ordered_json& message, const std::string& where) {
  const auto content = message.find("content");
  const bool is_missing = content == message.end() || content->is_null();
  if (is_missing) {
    if (!message.contains("tool_calls")) throw bad_param(where + ".content", "it is missing");
    message["content"] = "";
  } else if (content->is_array()) {
    *content = text_of(*content, where);
  } else if (!content->is_string()) {
    throw bad_param(where + ".content", "a string or an array of parts is expected");
  }
}

void read_tool_calls(ordered_json& message, const std::string& where) {
  const auto calls = message.find("tool_calls");
  if (calls == message.end() || calls->is_null()) return;
  if (!calls->is_array()) throw bad_param(where + ".tool_calls", "an array is expected");
  for (ordered_json& call : *calls) {
    const bool has_function =
        call.is_object() && call.contains("function") && call["function"].is_object();
    if (!has_function) throw bad_param(where + ".tool_calls", "functions are expected");
    ordered_json& arguments = call["function"]["arguments"];
    if (!arguments.is_string()) continue;
    ordered_json parsed = parse_bounded(arguments.get<std::string>());
    if (parsed.is_object()) arguments = std::move(parsed);
  }
}

void read_message(ordered_json& message, std::size_t index) {
  const std::string where = at(index);
  const auto role = message.is_object() ? message.find("role") : message.end();
  if (role == message.end() || !role->is_string() || !kRoles.contains(role->get<std::string>()))
    throw bad_param(where + ".role", "system, developer, user, assistant or tool is expected");
  // The newer name of the same.
  if (*role == "developer") *role = "system";
  if (message.contains("audio") && !message["audio"].is_null())
    throw unsupported_param(where + ".audio", "only text is served");
  if (message.contains("function_call") && !message["function_call"].is_null())
    throw unsupported_param(where + ".function_call", "use tool_calls");
  read_content(message, where);
  read_tool_calls(message, where);
}

void check_tools(const ordered_json& tools) {
  if (!tools.is_array()) throw bad_param("tools", "an array is expected");
  for (const ordered_json& tool : tools) {
    const bool is_function = tool.is_object() && tool.contains("type") &&
                             tool["type"] == "function" && tool.contains("function") &&
                             tool["function"].is_object();
    if (!is_function) throw unsupported_param("tools", "only functions are served");
  }
}

}  // namespace

std::string messages_json(ordered_json messages, ordered_json tools, ordered_json template_values) {
  if (!messages.is_array() || messages.empty())
    throw bad_param("messages", "an array of at least one message is expected");
  for (std::size_t i = 0; i < messages.size(); ++i) read_message(messages[i], i);
  ordered_json all = ordered_json::object();
  if (!template_values.is_null()) {
    if (!template_values.is_object())
      throw bad_param("chat_template_kwargs", "an object is expected");
    all = std::move(template_values);
  }
  all["messages"] = std::move(messages);
  if (!tools.is_null()) {
    check_tools(tools);
    all["tools"] = std::move(tools);
  }
  return all.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace gpumodel_openai

#include "engine/server/chat_input.hpp"

#include "engine/io/json.hpp"

namespace gpumodel::engine::server {
namespace {

using nlohmann::ordered_json;
using wire::Code;
using wire::Error;

ordered_json parse_messages(const std::string& text) {
  const auto bound_depth = [](int depth, ordered_json::parse_event_t, ordered_json&) {
    if (depth > io::kMaxJsonDepth)
      throw Error(Code::bad_request,
                  "messages_json: nested deeper than " + std::to_string(io::kMaxJsonDepth));
    return true;
  };
  try {
    return ordered_json::parse(text, bound_depth);
  } catch (const nlohmann::json::exception& error) {
    throw Error(Code::bad_request, std::string("messages_json is no JSON: ") + error.what());
  }
}

ordered_json from_json(const std::string& text) {
  ordered_json json = parse_messages(text);
  if (json.is_array()) return ordered_json{{"messages", std::move(json)}};
  if (!json.is_object() || !json.contains("messages") || !json.at("messages").is_array())
    throw Error(Code::bad_request,
                "messages_json: expected an array of messages, or an object with \"messages\"");
  return json;
}

}  // namespace

nlohmann::ordered_json chat_context(const wire::RenderInput& input) {
  if (input.messages.has_value() == input.messages_json.has_value())
    throw Error(Code::invalid, "exactly one of messages and messages_json must be given");
  ordered_json context = ordered_json::object();
  if (input.messages_json) {
    context = from_json(*input.messages_json);
  } else {
    ordered_json messages = ordered_json::array();
    for (const wire::Message& message : *input.messages)
      messages.push_back({{"role", message.role}, {"content", message.content}});
    context["messages"] = std::move(messages);
  }
  if (!context.contains("add_generation_prompt")) context["add_generation_prompt"] = true;
  for (const char* key : {"tools", "documents"})
    if (!context.contains(key)) context[key] = nullptr;
  return context;
}

}  // namespace gpumodel::engine::server

// Requests of OpenAI's API (API reference, "Create chat completion" and "Create completion"), read
// and checked before anything is done.
#pragma once

#include <cstdint>
#include <gpumodel.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gpumodel-openai/api_error.hpp"

namespace gpumodel_openai {

enum class Endpoint { chat, completions };

struct Tokens {
  std::vector<std::int32_t> ids;
};
struct MessagesJson {
  std::string text;  // an object with messages, tools and template values
};
using Prompt = std::variant<std::string, Tokens, MessagesJson>;

struct ApiRequest {
  Endpoint endpoint = Endpoint::chat;
  std::string model;
  std::vector<Prompt> prompts;  // one for chat
  std::uint32_t choices = 1;    // of each prompt
  gpumodel::GenerateOptions options;
  bool stream = false;
  bool include_usage = false;  // as the stream's last chunk
  bool finds_tool_calls = false;
};

inline constexpr std::size_t kMostChoices = 16;  // prompts times choices of a request

// Throws ApiError: 400 with the parameter that is wrong, or that nothing here can honour. What
// clients send and what changes no answer (user, metadata, store, ...) is passed over.
ApiRequest parse_request(Endpoint endpoint, std::string_view body);

}  // namespace gpumodel_openai

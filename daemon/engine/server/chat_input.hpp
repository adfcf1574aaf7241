// A request's messages as a chat template's context.
#pragma once

#include <nlohmann/json.hpp>

#include "wire/messages.hpp"

namespace gpumodel::engine::server {

// The variables that transformers' apply_chat_template() sets, but for the special tokens:
// messages, add_generation_prompt (true unless the input says otherwise), tools and documents (null
// unless given), and whatever else an object in messages_json holds. The keys keep their order.
// Exactly one of `messages` and `messages_json` is given. Throws wire::Error{bad_request} for what
// is no JSON, is nested too deep, or has no messages.
nlohmann::ordered_json chat_context(const wire::RenderInput& input);

}  // namespace gpumodel::engine::server

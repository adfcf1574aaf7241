// Chat messages and tools of OpenAI's API as chat templates know them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gpumodel_openai {

// An object with messages, tools (null: none) and the template's own values (null: none), as
// gm_request.messages_json takes it. Contents in parts become one text; arguments of earlier tool
// calls, which this API has as text, become the objects that templates expect. Throws ApiError.
std::string messages_json(nlohmann::ordered_json messages, nlohmann::ordered_json tools,
                          nlohmann::ordered_json template_values);

}  // namespace gpumodel_openai

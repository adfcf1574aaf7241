// JSON that others have written.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace gpumodel_openai {

// Discarded where it is no JSON, or nested deeper than anything that is meant: writing it again
// would take the stack of as many calls.
inline nlohmann::ordered_json parse_bounded(std::string_view text) {
  constexpr int kDeepest = 100;
  bool is_too_deep = false;
  const auto look = [&](int depth, nlohmann::ordered_json::parse_event_t, nlohmann::ordered_json&) {
    is_too_deep = is_too_deep || depth > kDeepest;
    return !is_too_deep;
  };
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(text, look, false);
  if (is_too_deep) return nlohmann::ordered_json(nlohmann::ordered_json::value_t::discarded);
  return json;
}

}  // namespace gpumodel_openai

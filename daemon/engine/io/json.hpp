// Text to JSON with limits, for the small files of a model's folder.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "engine/io/bad_model.hpp"

namespace gpumodel::engine::io {

inline constexpr int kMaxJsonDepth = 64;

// Strict JSON in UTF-8, nested at most kMaxJsonDepth deep; a repeated key's last value holds, as in
// Python. Throws BadModel about `file` that says where. The caller bounds text's size.
nlohmann::json parse_json(std::string_view text, const std::string& file);

}  // namespace gpumodel::engine::io

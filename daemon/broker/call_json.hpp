// JSON text to MessagePack and back, for call_json.
#pragma once

#include <string>
#include <string_view>

namespace gpumodel::broker {

// A JSON object as one MessagePack map. Throws wire::Error{invalid} for other text, deeper than the
// protocol's nesting, or with more values.
std::string json_to_msgpack(std::string_view json);

// One MessagePack value as JSON text; numbers that JSON has not become null.
std::string msgpack_to_json(std::string_view msgpack);

}  // namespace gpumodel::broker

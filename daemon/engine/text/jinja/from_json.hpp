// JSON values as template values.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

// All strings in it, keys too, get `origin`. Throws for what a template cannot hold: nesting beyond
// the bound on values, integers beyond 64 bits.
Value from_json(Runtime& runtime, const nlohmann::ordered_json& json, Origin origin);

}  // namespace gpumodel::engine::text::jinja

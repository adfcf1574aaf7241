// Methods of values, as tables of name and function.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

using Method = Value (*)(Runtime&, const Value& self, CallArguments&);
struct MethodEntry {
  std::string_view name;
  Method call;
};

std::span<const MethodEntry> string_methods();

}  // namespace gpumodel::engine::text::jinja

// obj.name, obj[index], obj[a:b:c] under the rules of Jinja's immutable sandbox.
#pragma once

#include <string>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

// obj.name: a method or attribute first, then an item. What does not exist, and what the sandbox
// hides (list.append, names with an underscore), is undefined. An attribute of undefined is an
// error.
Value get_attribute(Runtime& runtime, const Value& object, const std::string& name);
// obj[index]: an item first, then an attribute.
Value get_item(Runtime& runtime, const Value& object, const Value& index);
// Absent bounds are none. Unlike the two above, what cannot be sliced is an error, as in Jinja.
Value get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
                const Value& step);

// The method `name` of `object` bound to it, or undefined without a message.
Value find_method(Runtime& runtime, const Value& object, const std::string& name);

// What filters call: getitem along a path such as "details.0.name".
Value get_path(Runtime& runtime, const Value& object, const Value& path);

}  // namespace gpumodel::engine::text::jinja

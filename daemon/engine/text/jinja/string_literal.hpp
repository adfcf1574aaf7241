// The escapes of string literals in templates.
#pragma once

#include <string>
#include <string_view>

namespace gpumodel::engine::text::jinja {

// `body` is what stands between the quotes. Python's escapes; an unknown one keeps its backslash.
// Throws TemplateError(line) for a truncated escape, a surrogate, and \N{...}.
std::string unescape_string_literal(std::string_view body, int line);

}  // namespace gpumodel::engine::text::jinja

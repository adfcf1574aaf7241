// The functions that every chat template may call.
#pragma once

#include "engine/text/jinja/scope.hpp"

namespace gpumodel::engine::text::jinja {

// range, dict, namespace, joiner, cycler, raise_exception and strftime_now (local time).
void add_globals(Runtime& runtime, Scope& scope);

// {% set space.name = value %}; throws for names that transformers refuses.
void set_namespace_attribute(Runtime& runtime, NamespaceData& space, const std::string& name,
                             Value value);

}  // namespace gpumodel::engine::text::jinja

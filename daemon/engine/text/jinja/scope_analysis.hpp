// Which names a scope hides from its surroundings before it assigns them.
#pragma once

#include "engine/text/jinja/ast.hpp"

namespace gpumodel::engine::text::jinja {

// Fills Block::hidden throughout. Jinja compiles each scope to a Python function, whose local
// variables are undefined until assigned. A name is local where the scope assigns it before it
// mentions it in any other way, outside of an if, and no scope around it mentions the name at all.
// The bodies of inner scopes do not count as mentions, so that in
//     {% for m in messages %}{{ x }}{% endfor %}{% set x = 1 %}
// x is undefined in the loop even where the context has an x. (jinja2/idtracking.py)
void analyze_scopes(Block& root);

}  // namespace gpumodel::engine::text::jinja

// The depth of the deepest child of each kind of expression; 0 without children.
#pragma once

#include "engine/text/jinja/ast.hpp"

namespace gpumodel::engine::text::jinja {

unsigned children_depth(const Literal& node);
unsigned children_depth(const Name& node);
unsigned children_depth(const ListDisplay& node);
unsigned children_depth(const TupleDisplay& node);
unsigned children_depth(const DictDisplay& node);
unsigned children_depth(const Negation& node);
unsigned children_depth(const Sign& node);
unsigned children_depth(const Binary& node);
unsigned children_depth(const Concatenation& node);
unsigned children_depth(const Comparison& node);
unsigned children_depth(const Junction& node);
unsigned children_depth(const Conditional& node);
unsigned children_depth(const Attribute& node);
unsigned children_depth(const Subscript& node);
unsigned children_depth(const SliceSubscript& node);
unsigned children_depth(const Call& node);
unsigned children_depth(const FilterUse& node);
unsigned children_depth(const TestUse& node);

}  // namespace gpumodel::engine::text::jinja

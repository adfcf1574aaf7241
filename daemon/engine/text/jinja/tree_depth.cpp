#include "engine/text/jinja/tree_depth.hpp"

#include <algorithm>

namespace gpumodel::engine::text::jinja {
namespace {

unsigned depth_of(const ExpressionPtr& child) { return child ? child->depth : 0; }
unsigned depth_of(const ExpressionList& children) {
  unsigned depth = 0;
  for (const auto& child : children) depth = std::max(depth, depth_of(child));
  return depth;
}
unsigned depth_of(const CallSyntax& call) {
  unsigned depth =
      std::max({depth_of(call.positional), depth_of(call.star), depth_of(call.double_star)});
  for (const auto& keyword : call.keywords) depth = std::max(depth, depth_of(keyword.second));
  return depth;
}

}  // namespace

unsigned children_depth(const Literal&) { return 0; }
unsigned children_depth(const Name&) { return 0; }
unsigned children_depth(const ListDisplay& node) { return depth_of(node.items); }
unsigned children_depth(const TupleDisplay& node) { return depth_of(node.items); }
unsigned children_depth(const DictDisplay& node) {
  unsigned depth = 0;
  for (const auto& [key, value] : node.items)
    depth = std::max({depth, depth_of(key), depth_of(value)});
  return depth;
}
unsigned children_depth(const Negation& node) { return depth_of(node.operand); }
unsigned children_depth(const Sign& node) { return depth_of(node.operand); }
unsigned children_depth(const Binary& node) {
  return std::max(depth_of(node.left), depth_of(node.right));
}
unsigned children_depth(const Concatenation& node) { return depth_of(node.parts); }
unsigned children_depth(const Comparison& node) {
  unsigned depth = depth_of(node.first);
  for (const auto& operand : node.rest) depth = std::max(depth, depth_of(operand.second));
  return depth;
}
unsigned children_depth(const Junction& node) {
  return std::max(depth_of(node.left), depth_of(node.right));
}
unsigned children_depth(const Conditional& node) {
  return std::max({depth_of(node.condition), depth_of(node.then), depth_of(node.otherwise)});
}
unsigned children_depth(const Attribute& node) { return depth_of(node.object); }
unsigned children_depth(const Subscript& node) {
  return std::max(depth_of(node.object), depth_of(node.index));
}
unsigned children_depth(const SliceSubscript& node) {
  return std::max(
      {depth_of(node.object), depth_of(node.start), depth_of(node.stop), depth_of(node.step)});
}
unsigned children_depth(const Call& node) {
  return std::max(depth_of(node.callee), depth_of(node.arguments));
}
unsigned children_depth(const FilterUse& node) {
  return std::max(depth_of(node.input), depth_of(node.arguments));
}
unsigned children_depth(const TestUse& node) {
  return std::max(depth_of(node.input), depth_of(node.arguments));
}

}  // namespace gpumodel::engine::text::jinja

// The expressions of interpreter.hpp.
#include <fmt/format.h>

#include "engine/text/jinja/attributes.hpp"
#include "engine/text/jinja/interpreter.hpp"
#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"

namespace gpumodel::engine::text::jinja {

Value Interpreter::evaluate(const Expression& expression) {
  const Nesting nesting(*this);
  runtime_.step();
  // Operands may stand on other lines; what fails is the operation.
  const Swap<int> line(runtime_.line, expression.line);
  return std::visit([this](const auto& node) { return visit(node); }, expression.node);
}

Value Interpreter::evaluate_or_none(const ExpressionPtr& expression) {
  return expression ? evaluate(*expression) : Value::none();
}

Values Interpreter::evaluate_all(const ExpressionList& expressions) {
  Values values;
  values.reserve(expressions.size());
  for (const auto& each : expressions) values.push_back(evaluate(*each));
  return values;
}

Value Interpreter::visit(const Name& node) {
  const Value* found = scope_->find(runtime_, node.name);
  // A name that its scope hides is undefined without a name yet.
  const bool hidden =
      found != nullptr && found->is(Type::kUndefined) && found->identity() == nullptr;
  return found != nullptr && !hidden
             ? *found
             : runtime_.undefined(fmt::format("'{}' is undefined", node.name));
}

Value Interpreter::visit(const ListDisplay& node) {
  return runtime_.list(evaluate_all(node.items));
}
Value Interpreter::visit(const TupleDisplay& node) {
  return runtime_.tuple(evaluate_all(node.items));
}

Value Interpreter::visit(const DictDisplay& node) {
  DictBuilder dict(runtime_);
  for (const auto& [key, value] : node.items) {
    const Value evaluated = evaluate(*key);
    dict.set(evaluated, evaluate(*value));
  }
  return dict.take();
}

Value Interpreter::visit(const Negation& node) {
  return Value::boolean(!truthy(runtime_, evaluate(*node.operand)));
}

Value Interpreter::visit(const Sign& node) {
  const Value operand = evaluate(*node.operand);
  return node.minus ? negate(runtime_, operand) : plus(runtime_, operand);
}

Value Interpreter::visit(const Binary& node) {
  const Value left = evaluate(*node.left);
  return arithmetic(runtime_, node.op, left, evaluate(*node.right));
}

Value Interpreter::visit(const Concatenation& node) {
  TextBuilder text(runtime_);
  for (const auto& part : node.parts) append_text(runtime_, text, evaluate(*part));
  return runtime_.string(text.take());
}

Value Interpreter::visit(const Comparison& node) {
  Value left = evaluate(*node.first);
  for (const auto& [op, operand] : node.rest) {
    Value right = evaluate(*operand);
    if (!compare(runtime_, op, left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::visit(const Junction& node) {
  Value left = evaluate(*node.left);
  return truthy(runtime_, left) == node.is_and ? evaluate(*node.right) : left;
}

Value Interpreter::visit(const Conditional& node) {
  if (truthy(runtime_, evaluate(*node.condition))) return evaluate(*node.then);
  if (node.otherwise) return evaluate(*node.otherwise);
  return runtime_.undefined(
      "the inline if-expression evaluated to false and no else section was defined.");
}

Value Interpreter::visit(const Attribute& node) {
  return get_attribute(runtime_, evaluate(*node.object), node.name);
}

Value Interpreter::visit(const Subscript& node) {
  const Value object = evaluate(*node.object);
  return get_item(runtime_, object, evaluate(*node.index));
}

Value Interpreter::visit(const SliceSubscript& node) {
  const Value object = evaluate(*node.object);
  const Value start = evaluate_or_none(node.start);
  const Value stop = evaluate_or_none(node.stop);
  return get_slice(runtime_, object, start, stop, evaluate_or_none(node.step));
}

CallArguments Interpreter::evaluate_arguments(const CallSyntax& syntax) {
  CallArguments arguments{evaluate_all(syntax.positional), {}};
  for (const auto& [name, value] : syntax.keywords)
    arguments.keywords.emplace_back(name, evaluate(*value));
  if (syntax.star) {
    for (Value& value : iterate(runtime_, evaluate(*syntax.star)))
      arguments.positional.push_back(std::move(value));
  }
  if (syntax.double_star) {
    const Value mapping = evaluate(*syntax.double_star);
    if (!mapping.is(Type::kDict)) runtime_.fail("argument after ** must be a mapping");
    for (const auto& [key, value] : mapping.get<DictData>().entries) {
      if (!key.is(Type::kString)) runtime_.fail("keywords must be strings");
      const std::string& name = key.get<StringData>().text.bytes();
      for (const auto& given : arguments.keywords)
        if (given.first == name)
          runtime_.fail(fmt::format("got multiple values for keyword argument '{}'", name));
      runtime_.step(arguments.keywords.size() / 8);
      arguments.keywords.emplace_back(name, value);
    }
  }
  return arguments;
}

Value Interpreter::call(const Value& callee, CallArguments& arguments) {
  switch (callee.type()) {
    case Type::kFunction:
      return callee.get<FunctionData>().call(runtime_, arguments);
    case Type::kLoop: {
      const Value recurse = callee.get<LoopData>().recurse;
      if (!recurse.is(Type::kFunction))
        runtime_.fail("The loop must have the 'recursive' marker enabled.");
      return recurse.get<FunctionData>().call(runtime_, arguments);
    }
    case Type::kUndefined:
      fail_undefined(runtime_, callee);
    default:
      runtime_.fail(fmt::format("'{}' object is not callable", type_name(callee)));
  }
}

Value Interpreter::visit(const Call& node) {
  const Value callee = evaluate(*node.callee);
  CallArguments arguments = evaluate_arguments(node.arguments);
  return call(callee, arguments);
}

Value Interpreter::visit(const FilterUse& node) {
  const Value input = evaluate(*node.input);
  if (node.filter == nullptr) runtime_.fail(fmt::format("No filter named '{}'.", node.name));
  CallArguments arguments = evaluate_arguments(node.arguments);
  return node.filter(runtime_, input, arguments);
}

Value Interpreter::apply_filters(const Expression& chain, const Value& captured) {
  const Nesting nesting(*this);
  const Swap<int> line(runtime_.line, chain.line);
  const auto& node = std::get<FilterUse>(chain.node);
  const Value input = node.input ? apply_filters(*node.input, captured) : captured;
  if (node.filter == nullptr) runtime_.fail(fmt::format("No filter named '{}'.", node.name));
  CallArguments arguments = evaluate_arguments(node.arguments);
  return node.filter(runtime_, input, arguments);
}

Value Interpreter::visit(const TestUse& node) {
  const Value input = evaluate(*node.input);
  if (node.test == nullptr) runtime_.fail(fmt::format("No test named '{}'.", node.name));
  CallArguments arguments = evaluate_arguments(node.arguments);
  return Value::boolean(node.test(runtime_, input, arguments));
}

}  // namespace gpumodel::engine::text::jinja

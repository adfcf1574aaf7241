// The statements of interpreter.hpp.
#include <fmt/format.h>
#include <algorithm>

#include "engine/text/jinja/globals.hpp"
#include "engine/text/jinja/interpreter.hpp"
#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"

namespace gpumodel::engine::text::jinja {

Interpreter::Interpreter(Runtime& runtime, std::shared_ptr<Scope> context)
    : runtime_(runtime), root_(std::make_shared<Scope>(std::move(context))), scope_(root_) {}

OriginText Interpreter::run(const Block& root) {
  hide(root, *root_);
  TextBuilder out(runtime_, runtime_.limits().output_bytes);
  const Swap<TextBuilder*> output(out_, &out);
  execute(root.statements);
  return out.take();
}

void Interpreter::hide(const Block& block, Scope& scope) {
  for (const std::string& name : block.hidden) scope.variables.emplace_back(name, Value());
}

Interpreter::ScopePtr Interpreter::open(const Block& block, const ScopePtr& outer) {
  auto scope = std::make_shared<Scope>(outer);
  hide(block, *scope);
  return scope;
}

Interpreter::Flow Interpreter::execute(const Body& body) {
  const Nesting nesting(*this);
  for (const Statement& statement : body) {
    runtime_.step();
    runtime_.line = statement.line;
    const Flow flow =
        std::visit([this](const auto& node) { return perform(node); }, statement.node);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::perform(const Data& node) {
  out_->append(node.text, Origin::kTemplate);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::perform(const Output& node) {
  for (const auto& value : node.values) append_text(runtime_, *out_, evaluate(*value));
  return Flow::kNext;
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (target.is_tuple) {
    const Values parts = iterate(runtime_, value);
    if (parts.size() != target.items.size())
      runtime_.fail(fmt::format("{} values to unpack (expected {}, got {})",
                                parts.size() > target.items.size() ? "too many" : "not enough",
                                target.items.size(), parts.size()));
    for (std::size_t at = 0; at < parts.size(); ++at) assign(target.items[at], parts[at]);
  } else if (!target.attribute.empty()) {
    const Value* space = scope_->find(runtime_, target.name);
    if (space == nullptr || !space->is(Type::kNamespace))
      runtime_.fail("cannot assign attribute on non-namespace object");
    set_namespace_attribute(runtime_, space->get<NamespaceData>(), target.attribute, value);
  } else {
    scope_->assign(runtime_, target.name, value);
  }
}

Interpreter::Flow Interpreter::perform(const Set& node) {
  assign(node.target, evaluate(*node.value));
  return Flow::kNext;
}

OriginText Interpreter::capture(const Block& block) {
  TextBuilder out(runtime_);
  const Swap<TextBuilder*> output(out_, &out);
  const Swap<ScopePtr> scope(scope_, open(block, scope_));
  execute(block.statements);
  return out.take();
}

Interpreter::Flow Interpreter::perform(const SetBlock& node) {
  Value text = runtime_.string(capture(*node.body));
  if (node.filter) text = apply_filters(*node.filter, text);
  assign(node.target, text);
  return Flow::kNext;
}

void Interpreter::print_string(const Value& value) {
  if (!value.is(Type::kString))
    runtime_.fail(
        fmt::format("a filter or call block must give a string, not {}", type_name(value)));
  out_->append(value.get<StringData>().text);
}

Interpreter::Flow Interpreter::perform(const FilterBlock& node) {
  const Value text = runtime_.string(capture(*node.body));
  print_string(apply_filters(*node.filter, text));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::perform(const Scoped& node) {
  const Swap<ScopePtr> scope(scope_, open(*node.body, node.from_root ? root_ : scope_));
  return execute(node.body->statements);
}

Interpreter::Flow Interpreter::perform(const If& node) {
  for (const auto& [condition, body] : node.branches)
    if (truthy(runtime_, evaluate(*condition))) return execute(*body);
  return node.otherwise ? execute(*node.otherwise) : Flow::kNext;
}

Interpreter::Flow Interpreter::perform(const With& node) {
  auto inner = open(*node.body, scope_);
  Values values;
  for (const auto& binding : node.bindings) values.push_back(evaluate(*binding.second));
  const Swap<ScopePtr> scope(scope_, std::move(inner));
  for (std::size_t at = 0; at < values.size(); ++at) assign(node.bindings[at].first, values[at]);
  return execute(node.body->statements);
}

// ---- loops --------------------------------------------------------------------------------------

Interpreter::Flow Interpreter::perform(const For& node) {
  run_loop(node, iterate(runtime_, evaluate(*node.iterable)), 0);
  return Flow::kNext;
}

// Jinja passes on what a filtered loop with several targets took apart: tuples.
Value Interpreter::unpacked(const Target& target, const Value& value) {
  if (!target.is_tuple) return value;
  Values parts = iterate(runtime_, value);
  for (std::size_t at = 0; at < std::min(parts.size(), target.items.size()); ++at)
    parts[at] = unpacked(target.items[at], parts[at]);
  return runtime_.tuple(std::move(parts));
}

void Interpreter::run_loop(const For& node, Values items, std::int64_t depth0) {
  auto loop = std::make_shared<LoopData>();
  runtime_.adopt(*loop, 1, items.size() * sizeof(Value));
  loop->items = std::move(items);
  loop->depth0 = depth0;
  const ScopePtr outer = scope_;
  if (node.condition) {
    loop->accept = [this, &node, outer](Value& item) {
      runtime_.step();
      const Swap<ScopePtr> scope(scope_, std::make_shared<Scope>(outer));
      item = unpacked(node.target, item);
      assign(node.target, item);
      return truthy(runtime_, evaluate(*node.condition));
    };
  }
  if (node.recursive) {
    pinned_.pin(runtime_, outer);
    loop->recurse = runtime_.function(
        "loop", {}, [this, &node, outer, depth0](Runtime& rt, CallArguments& given) {
          if (given.positional.size() != 1 || !given.keywords.empty())
            rt.fail("loop() takes one iterable");
          const Nesting nesting(*this);
          TextBuilder out(rt);
          const Swap<TextBuilder*> output(out_, &out);
          const Swap<ScopePtr> scope(scope_, outer);
          run_loop(node, iterate(rt, given.positional[0]), depth0 + 1);
          return rt.string(out.take());
        });
  }
  // An error leaves the loop too, and must not leave it holding on to its items.
  const auto close = [](LoopData* data) { data->close(); };
  const std::unique_ptr<LoopData, decltype(close)> closing(loop.get(), close);
  run_iterations(node, *loop, Value::object(Type::kLoop, loop));
}

void Interpreter::run_iterations(const For& node, LoopData& loop, const Value& loop_value) {
  const ScopePtr outer = scope_;
  const Swap<ScopePtr> restore(scope_, outer);
  ScopePtr inner;
  while (loop.advance()) {
    runtime_.step();
    // A scope that nobody else holds can serve the next iteration too.
    if (inner && inner.use_count() == 1)
      inner->variables.clear();
    else
      inner = std::make_shared<Scope>(outer);
    hide(*node.body, *inner);
    scope_ = inner;
    scope_->variables.emplace_back("loop", loop_value);
    assign(node.target, *loop.current);
    const Flow flow = execute(node.body->statements);
    scope_ = outer;
    if (flow == Flow::kBreak) break;
  }
  if (loop.index0 < 0 && node.otherwise) {
    scope_ = open(*node.otherwise, outer);
    execute(node.otherwise->statements);
  }
}

// ---- macros -------------------------------------------------------------------------------------

Value Interpreter::make_macro(const MacroSyntax& syntax) {
  pinned_.pin(runtime_, scope_);
  const Value macro = runtime_.function(
      syntax.name, {}, [this, &syntax, closure = scope_](Runtime&, CallArguments& given) {
        return call_macro(syntax, closure, given);
      });
  macro.get<FunctionData>().macro = true;
  return macro;
}

Value Interpreter::call_macro(const MacroSyntax& syntax, const ScopePtr& closure,
                              CallArguments& given) {
  const Nesting nesting(*this);
  const Swap<int> line(runtime_.line, runtime_.line);
  TextBuilder out(runtime_);
  const Swap<TextBuilder*> output(out_, &out);
  const Swap<ScopePtr> scope(scope_, open(*syntax.body, closure));
  bind_parameters(syntax, given);
  execute(syntax.body->statements);
  return runtime_.string(out.take());
}

void Interpreter::bind_parameters(const MacroSyntax& syntax, CallArguments& given) {
  const auto take_keyword = [&](const std::string& name, Value& value) {
    const auto found = std::find_if(given.keywords.begin(), given.keywords.end(),
                                    [&](const auto& keyword) { return keyword.first == name; });
    if (found == given.keywords.end()) return false;
    value = std::move(found->second);
    given.keywords.erase(found);
    return true;
  };
  for (std::size_t at = 0; at < syntax.parameters.size(); ++at) {
    const auto& [name, absent] = syntax.parameters[at];
    Value value;
    if (at < given.positional.size())
      value = given.positional[at];
    else if (!take_keyword(name, value))
      value = absent ? evaluate(*absent)
                     : runtime_.undefined(fmt::format("parameter '{}' was not provided", name));
    scope_->assign(runtime_, name, std::move(value));
  }
  if (syntax.uses_caller) {
    Value caller;
    if (!take_keyword("caller", caller)) caller = runtime_.undefined("No caller defined");
    scope_->assign(runtime_, "caller", std::move(caller));
  }
  if (syntax.uses_kwargs) {
    DictBuilder rest(runtime_);
    for (auto& [name, value] : given.keywords)
      rest.set(runtime_.string(OriginText(name, Origin::kTemplate)), std::move(value));
    scope_->assign(runtime_, "kwargs", rest.take());
  } else if (!given.keywords.empty()) {
    runtime_.fail(fmt::format("macro '{}' takes no keyword argument '{}'", syntax.name,
                              given.keywords[0].first));
  }
  const std::size_t count = syntax.parameters.size();
  if (syntax.uses_varargs) {
    Values rest;
    for (std::size_t at = count; at < given.positional.size(); ++at)
      rest.push_back(given.positional[at]);
    scope_->assign(runtime_, "varargs", runtime_.tuple(std::move(rest)));
  } else if (given.positional.size() > count) {
    runtime_.fail(fmt::format("macro '{}' takes not more than {} argument(s)", syntax.name, count));
  }
}

Interpreter::Flow Interpreter::perform(const Macro& node) {
  scope_->assign(runtime_, node.syntax.name, make_macro(node.syntax));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::perform(const CallBlock& node) {
  const auto& syntax = std::get<Call>(node.call->node);
  const Value callee = evaluate(*syntax.callee);
  CallArguments arguments = evaluate_arguments(syntax.arguments);
  arguments.keywords.emplace_back("caller", make_macro(node.caller));
  print_string(call(callee, arguments));
  return Flow::kNext;
}

}  // namespace gpumodel::engine::text::jinja

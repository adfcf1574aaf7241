// Evaluates a syntax tree.
#pragma once

#include <memory>
#include <string>

#include "engine/text/jinja/ast.hpp"
#include "engine/text/jinja/loop.hpp"
#include "engine/text/jinja/runtime.hpp"
#include "engine/text/jinja/scope.hpp"

namespace gpumodel::engine::text::jinja {

// One render: make it, run() it once, drop it before `runtime`. The tree must outlive it.
class Interpreter {
 public:
  // `context` holds the globals and the caller's variables.
  Interpreter(Runtime& runtime, std::shared_ptr<Scope> context);
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  OriginText run(const Block& root);

 private:
  enum class Flow { kNext, kBreak, kContinue };
  using ScopePtr = std::shared_ptr<Scope>;

  // Expressions, in evaluate.cpp.
  Value evaluate(const Expression& expression);
  Value evaluate_or_none(const ExpressionPtr& expression);
  Values evaluate_all(const ExpressionList& expressions);
  Value visit(const Literal& node) { return node.value; }
  Value visit(const Name& node);
  Value visit(const ListDisplay& node);
  Value visit(const TupleDisplay& node);
  Value visit(const DictDisplay& node);
  Value visit(const Negation& node);
  Value visit(const Sign& node);
  Value visit(const Binary& node);
  Value visit(const Concatenation& node);
  Value visit(const Comparison& node);
  Value visit(const Junction& node);
  Value visit(const Conditional& node);
  Value visit(const Attribute& node);
  Value visit(const Subscript& node);
  Value visit(const SliceSubscript& node);
  Value visit(const Call& node);
  Value visit(const FilterUse& node);
  Value visit(const TestUse& node);
  CallArguments evaluate_arguments(const CallSyntax& syntax);
  Value call(const Value& callee, CallArguments& arguments);
  // A chain of filters whose innermost input is `captured`.
  Value apply_filters(const Expression& chain, const Value& captured);

  // Statements, in execute.cpp.
  Flow execute(const Body& body);
  Flow perform(const Data& node);
  Flow perform(const Output& node);
  Flow perform(const Set& node);
  Flow perform(const SetBlock& node);
  Flow perform(const FilterBlock& node);
  Flow perform(const For& node);
  Flow perform(const If& node);
  Flow perform(const Macro& node);
  Flow perform(const CallBlock& node);
  Flow perform(const With& node);
  Flow perform(const Scoped& node);
  Flow perform(const Break&) { return Flow::kBreak; }
  Flow perform(const Continue&) { return Flow::kContinue; }
  // A scope within `outer`, with what the block hides.
  static ScopePtr open(const Block& block, const ScopePtr& outer);
  static void hide(const Block& block, Scope& scope);
  void assign(const Target& target, const Value& value);
  // The result of a filter or call block, which Jinja does not turn into a string.
  void print_string(const Value& value);
  Value unpacked(const Target& target, const Value& value);
  // What `body` prints, in a scope of its own within `outer`.
  OriginText capture(const Block& block);
  Value make_macro(const MacroSyntax& syntax);
  Value call_macro(const MacroSyntax& syntax, const ScopePtr& closure, CallArguments& given);
  void bind_parameters(const MacroSyntax& syntax, CallArguments& given);
  void run_loop(const For& node, Values items, std::int64_t depth0);
  void run_iterations(const For& node, LoopData& loop, const Value& loop_value);

  // Puts a member's value back at the end of a C++ scope.
  template <class T>
  class Swap;
  class Nesting;

  Runtime& runtime_;
  PinnedScopes pinned_;
  ScopePtr root_;
  ScopePtr scope_;
  TextBuilder* out_ = nullptr;
  unsigned depth_ = 0;
};

template <class T>
class Interpreter::Swap {
 public:
  Swap(T& variable, T value)
      : variable_(variable), old_(std::exchange(variable, std::move(value))) {}
  ~Swap() { variable_ = std::move(old_); }
  Swap(const Swap&) = delete;
  Swap& operator=(const Swap&) = delete;

 private:
  T& variable_;
  T old_;
};

// Counts one level of evaluation as long as it lives.
class Interpreter::Nesting {
 public:
  explicit Nesting(Interpreter& interpreter) : interpreter_(interpreter) {
    if (interpreter_.depth_ >= interpreter_.runtime_.limits().depth)
      interpreter_.runtime_.fail("the template recurses too deeply");
    ++interpreter_.depth_;
  }
  ~Nesting() { --interpreter_.depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  Interpreter& interpreter_;
};

}  // namespace gpumodel::engine::text::jinja

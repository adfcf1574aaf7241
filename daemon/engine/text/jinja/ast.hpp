// The syntax tree of a template. Immutable once parsed; evaluation never writes to it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/text/jinja/filters.hpp"
#include "engine/text/jinja/operators.hpp"

namespace gpumodel::engine::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;
using ExpressionList = std::vector<ExpressionPtr>;

struct CallSyntax {
  ExpressionList positional;
  std::vector<std::pair<std::string, ExpressionPtr>> keywords;
  ExpressionPtr star;         // *args
  ExpressionPtr double_star;  // **kwargs
};

struct Literal {
  Value value;
};  // none, bool, int, float or string
struct Name {
  std::string name;
};
struct ListDisplay {
  ExpressionList items;
};
struct TupleDisplay {
  ExpressionList items;
};
struct DictDisplay {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
};
struct Negation {
  ExpressionPtr operand;
};  // not x
struct Sign {
  bool minus;
  ExpressionPtr operand;
};
struct Binary {
  BinaryOp op;
  ExpressionPtr left, right;
};
struct Concatenation {
  ExpressionList parts;
};  // a ~ b ~ c
struct Comparison {
  ExpressionPtr first;
  std::vector<std::pair<CompareOp, ExpressionPtr>> rest;
};
struct Junction {
  bool is_and;
  ExpressionPtr left, right;
};
struct Conditional {
  ExpressionPtr condition, then, otherwise;
};  // otherwise may be null
struct Attribute {
  ExpressionPtr object;
  std::string name;
};
struct Subscript {
  ExpressionPtr object, index;
};
struct SliceSubscript {
  ExpressionPtr object, start, stop, step;
};  // bounds may be null
struct Call {
  ExpressionPtr callee;
  CallSyntax arguments;
};
// `filter` is null for a name that does not exist, which is an error only when evaluated.
struct FilterUse {
  ExpressionPtr input;
  std::string name;
  Filter filter;
  CallSyntax arguments;
};
struct TestUse {
  ExpressionPtr input;
  std::string name;
  Test test;
  CallSyntax arguments;
};

struct Expression {
  int line = 0;
  unsigned depth = 1;  // of the tree below; bounded by the parser
  std::variant<Literal, Name, ListDisplay, TupleDisplay, DictDisplay, Negation, Sign, Binary,
               Concatenation, Comparison, Junction, Conditional, Attribute, Subscript,
               SliceSubscript, Call, FilterUse, TestUse>
      node;
};

struct Statement;
using Body = std::vector<Statement>;

// A body with a scope of its own.
struct Block {
  Body statements;
  // Names that are undefined here until assigned, whatever the surroundings call so:
  // scope_analysis.hpp.
  std::vector<std::string> hidden;
};

// What an assignment writes to: a name, an attribute of a namespace, or a tuple of targets.
struct Target {
  std::string name;
  std::string attribute;  // of a namespace called `name`; empty for plain names
  std::vector<Target> items;
  bool is_tuple = false;
};

struct MacroSyntax {
  std::string name;                                               // empty for a call block's body
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  // with their defaults, or null
  std::unique_ptr<Block> body;
  // Whether the body mentions these names, and so takes what they stand for.
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct Data {
  std::string text;
};
struct Output {
  ExpressionList values;
};
struct Set {
  Target target;
  ExpressionPtr value;
};
// A filter chain around captured text; the innermost filter's input is null.
struct SetBlock {
  Target target;
  ExpressionPtr filter;
  std::unique_ptr<Block> body;
};
struct FilterBlock {
  ExpressionPtr filter;
  std::unique_ptr<Block> body;
};
struct For {
  Target target;
  ExpressionPtr iterable, condition;  // condition may be null
  bool recursive;
  std::unique_ptr<Block> body, otherwise;
};
struct If {
  std::vector<std::pair<ExpressionPtr, std::unique_ptr<Body>>> branches;
  std::unique_ptr<Body> otherwise;  // may be null
};
struct Macro {
  MacroSyntax syntax;
};
struct CallBlock {
  ExpressionPtr call;
  MacroSyntax caller;
};
struct With {
  std::vector<std::pair<Target, ExpressionPtr>> bindings;
  std::unique_ptr<Block> body;
};
// A body with a scope of its own: {% generation %} and {% block %}, whose scope sees only the
// template's outermost names.
struct Scoped {
  std::unique_ptr<Block> body;
  bool from_root;
};
struct Break {};
struct Continue {};

struct Statement {
  int line = 0;
  std::variant<Data, Output, Set, SetBlock, FilterBlock, For, If, Macro, CallBlock, With, Scoped,
               Break, Continue>
      node;
};

}  // namespace gpumodel::engine::text::jinja

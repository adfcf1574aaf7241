// The expression half of parser.hpp; the names of the methods follow precedence, loosest first.
#include <fmt/format.h>
#include <algorithm>
#include <optional>

#include "engine/text/jinja/parser.hpp"
#include "engine/text/jinja/tree_depth.hpp"
#include "engine/text/template_error.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

// Of recursion in the parser. Real templates stay below 20.
constexpr unsigned kMaxNesting = 100;
// Of the tree: also left-leaning chains such as a + b + c, which cost no recursion in the parser.
constexpr unsigned kMaxTreeDepth = 300;

std::optional<CompareOp> compare_operator(const Token& token) {
  if (token.kind != TokenKind::kOperator) return std::nullopt;
  if (token.text == "==") return CompareOp::kEqual;
  if (token.text == "!=") return CompareOp::kNotEqual;
  if (token.text == "<") return CompareOp::kLess;
  if (token.text == "<=") return CompareOp::kLessEqual;
  if (token.text == ">") return CompareOp::kGreater;
  if (token.text == ">=") return CompareOp::kGreaterEqual;
  return std::nullopt;
}

std::optional<BinaryOp> product_operator(const Token& token) {
  if (token.kind != TokenKind::kOperator) return std::nullopt;
  if (token.text == "*") return BinaryOp::kMultiply;
  if (token.text == "/") return BinaryOp::kDivide;
  if (token.text == "//") return BinaryOp::kFloorDivide;
  if (token.text == "%") return BinaryOp::kModulo;
  return std::nullopt;
}

}  // namespace

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser.nesting_ > kMaxNesting) {
    --parser.nesting_;
    parser.cursor_.fail(fmt::format("the template is nested deeper than {} levels", kMaxNesting));
  }
}

template <class Node>
ExpressionPtr ExpressionParser::make(int line, Node node) {
  const unsigned depth = children_depth(node) + 1;
  if (depth > kMaxTreeDepth)
    cursor_.fail(fmt::format("an expression is deeper than {} levels", kMaxTreeDepth));
  auto expression = std::make_unique<Expression>();
  expression->line = line;
  expression->depth = depth;
  expression->node = std::move(node);
  return expression;
}

void ExpressionParser::unknown(const char* what, const std::string& name) {
  if (!lenient)
    unknown_.push_back({cursor_.current().line, fmt::format("No {} named '{}'.", what, name)});
}

void ExpressionParser::check_unknown() const {
  if (!unknown_.empty()) throw TemplateError(unknown_.front().line, unknown_.front().reason);
}

ExpressionPtr ExpressionParser::expression(bool with_conditional) {
  const Nesting nesting(*this);
  return with_conditional ? conditional() : disjunction();
}

ExpressionPtr ExpressionParser::conditional() {
  const Nesting nesting(*this);
  const std::size_t unknown_before = unknown_.size();
  ExpressionPtr value = disjunction();
  while (cursor_.current().is_name("if")) {
    const int line = cursor_.next().line;
    ExpressionPtr condition = disjunction();
    ExpressionPtr otherwise;
    if (cursor_.skip_name("else")) otherwise = conditional();
    value = make(line, Conditional{std::move(condition), std::move(value), std::move(otherwise)});
    unknown_.resize(unknown_before);
  }
  return value;
}

ExpressionPtr ExpressionParser::disjunction() {
  ExpressionPtr left = conjunction();
  while (cursor_.current().is_name("or")) {
    const int line = cursor_.next().line;
    ExpressionPtr right = conjunction();
    left = make(line, Junction{false, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::conjunction() {
  ExpressionPtr left = negation();
  while (cursor_.current().is_name("and")) {
    const int line = cursor_.next().line;
    ExpressionPtr right = negation();
    left = make(line, Junction{true, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  if (!cursor_.current().is_name("not")) return comparison();
  const Nesting nesting(*this);
  const int line = cursor_.next().line;
  return make(line, Negation{negation()});
}

ExpressionPtr ExpressionParser::comparison() {
  const int line = cursor_.current().line;
  ExpressionPtr first = sum();
  std::vector<std::pair<CompareOp, ExpressionPtr>> rest;
  for (;;) {
    CompareOp op = CompareOp::kIn;
    if (const auto symbol = compare_operator(cursor_.current())) {
      op = *symbol;
      cursor_.next();
    } else if (cursor_.current().is_name("not") && cursor_.look().is_name("in")) {
      cursor_.next();
      cursor_.next();
      op = CompareOp::kNotIn;
    } else if (!cursor_.skip_name("in")) {
      break;
    }
    rest.emplace_back(op, sum());
  }
  if (rest.empty()) return first;
  return make(line, Comparison{std::move(first), std::move(rest)});
}

ExpressionPtr ExpressionParser::sum() {
  ExpressionPtr left = concatenation();
  while (cursor_.current().is_operator("+") || cursor_.current().is_operator("-")) {
    const Token& token = cursor_.next();
    const int line = token.line;
    const BinaryOp op = token.text == "+" ? BinaryOp::kAdd : BinaryOp::kSubtract;
    ExpressionPtr right = concatenation();
    left = make(line, Binary{op, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::concatenation() {
  const int line = cursor_.current().line;
  ExpressionPtr first = product();
  if (!cursor_.current().is_operator("~")) return first;
  Concatenation node;
  node.parts.push_back(std::move(first));
  while (cursor_.skip_operator("~")) node.parts.push_back(product());
  return make(line, std::move(node));
}

ExpressionPtr ExpressionParser::product() {
  ExpressionPtr left = power();
  while (const auto op = product_operator(cursor_.current())) {
    const int line = cursor_.next().line;
    ExpressionPtr right = power();
    left = make(line, Binary{*op, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::power() {
  ExpressionPtr left = unary();
  while (cursor_.current().is_operator("**")) {
    const int line = cursor_.next().line;
    ExpressionPtr right = unary();
    left = make(line, Binary{BinaryOp::kPower, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  const Nesting nesting(*this);
  ExpressionPtr node;
  const int line = cursor_.current().line;
  if (cursor_.skip_operator("-"))
    node = make(line, Sign{true, unary(false)});
  else if (cursor_.skip_operator("+"))
    node = make(line, Sign{false, unary(false)});
  else
    node = primary();
  node = postfix(std::move(node));
  return with_filters ? filter_chain(std::move(node)) : std::move(node);
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr object) {
  for (;;) {
    const Token& token = cursor_.current();
    if (token.is_operator(".") || token.is_operator("[")) {
      object = subscript(std::move(object));
    } else if (token.is_operator("(")) {
      const int line = token.line;
      object = make(line, Call{std::move(object), call_arguments()});
    } else {
      return object;
    }
  }
}

ExpressionPtr ExpressionParser::filter_chain(ExpressionPtr object) {
  for (;;) {
    const Token& token = cursor_.current();
    if (token.is_operator("|")) {
      object = filters(std::move(object));
    } else if (token.is_name("is")) {
      object = test(std::move(object));
    } else if (token.is_operator("(")) {
      const int line = token.line;
      object = make(line, Call{std::move(object), call_arguments()});
    } else {
      return object;
    }
  }
}

ExpressionPtr ExpressionParser::name(const Token& token) {
  if (token.text == "true" || token.text == "True")
    return make(token.line, Literal{Value::boolean(true)});
  if (token.text == "false" || token.text == "False")
    return make(token.line, Literal{Value::boolean(false)});
  if (token.text == "none" || token.text == "None") return make(token.line, Literal{Value::none()});
  for (auto& names : macro_names) names.insert(token.text);
  return make(token.line, Name{token.text});
}

ExpressionPtr ExpressionParser::primary() {
  const Token& token = cursor_.current();
  const int line = token.line;
  switch (token.kind) {
    case TokenKind::kName:
      return name(cursor_.next());
    case TokenKind::kString: {
      std::string text;
      while (cursor_.current().kind == TokenKind::kString) text += cursor_.next().text;
      return make(line, Literal{literal_string(std::move(text))});
    }
    case TokenKind::kInteger:
      return make(line, Literal{Value::integer(cursor_.next().integer)});
    case TokenKind::kFloat:
      return make(line, Literal{Value::real(cursor_.next().real)});
    case TokenKind::kOperator:
      if (token.text == "(") return parenthesized();
      if (token.text == "[") return list();
      if (token.text == "{") return dict();
      break;
    default:
      break;
  }
  cursor_.fail_unexpected("an expression");
}

ExpressionPtr ExpressionParser::parenthesized() {
  const int line = cursor_.next().line;
  if (cursor_.skip_operator(")")) return make(line, TupleDisplay{});
  ExpressionPtr inside = tuple();
  cursor_.expect_operator(")");
  return inside;
}

ExpressionPtr ExpressionParser::list() {
  const int line = cursor_.next().line;
  ListDisplay node;
  while (!cursor_.current().is_operator("]")) {
    if (!node.items.empty()) cursor_.expect_operator(",");
    if (cursor_.current().is_operator("]")) break;
    node.items.push_back(expression());
  }
  cursor_.expect_operator("]");
  return make(line, std::move(node));
}

ExpressionPtr ExpressionParser::dict() {
  const int line = cursor_.next().line;
  DictDisplay node;
  while (!cursor_.current().is_operator("}")) {
    if (!node.items.empty()) cursor_.expect_operator(",");
    if (cursor_.current().is_operator("}")) break;
    ExpressionPtr key = expression();
    cursor_.expect_operator(":");
    node.items.emplace_back(std::move(key), expression());
  }
  cursor_.expect_operator("}");
  return make(line, std::move(node));
}

ExpressionPtr ExpressionParser::tuple(bool with_conditional, std::string_view end_name) {
  const int line = cursor_.current().line;
  TupleDisplay node;
  bool is_tuple = false;
  for (;;) {
    if (!node.items.empty()) cursor_.expect_operator(",");
    const Token& token = cursor_.current();
    if (token.kind == TokenKind::kVariableEnd || token.kind == TokenKind::kBlockEnd ||
        token.is_operator(")") || (!end_name.empty() && token.is_name(end_name)))
      break;
    node.items.push_back(expression(with_conditional));
    if (!cursor_.current().is_operator(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return make(line, std::move(node));
  if (node.items.empty()) cursor_.fail_unexpected("an expression");
  return std::move(node.items.front());
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr object) {
  const Token& token = cursor_.next();
  const int line = token.line;
  if (token.text == "[") return subscript_brackets(std::move(object), line);
  const Token& attribute = cursor_.next();
  if (attribute.kind == TokenKind::kName)
    return make(line, Attribute{std::move(object), attribute.text});
  if (attribute.kind != TokenKind::kInteger) cursor_.fail("expected name or number");
  ExpressionPtr index = make(line, Literal{Value::integer(attribute.integer)});
  return make(line, Subscript{std::move(object), std::move(index)});
}

ExpressionPtr ExpressionParser::subscript_brackets(ExpressionPtr object, int line) {
  ExpressionPtr start;
  if (!cursor_.current().is_operator(":")) {
    if (cursor_.skip_operator("]"))  // Jinja takes a[] for a[()]
      return make(line, Subscript{std::move(object), make(line, TupleDisplay{})});
    start = expression();
    if (cursor_.current().is_operator(",")) {  // obj[a, b] is obj[(a, b)]
      TupleDisplay index;
      index.items.push_back(std::move(start));
      while (cursor_.skip_operator(","))
        if (!cursor_.current().is_operator("]")) index.items.push_back(expression());
      cursor_.expect_operator("]");
      return make(line, Subscript{std::move(object), make(line, std::move(index))});
    }
    if (cursor_.skip_operator("]"))
      return make(line, Subscript{std::move(object), std::move(start)});
  }
  cursor_.expect_operator(":");
  ExpressionPtr stop;
  ExpressionPtr step;
  if (!cursor_.current().is_operator(":") && !cursor_.current().is_operator("]"))
    stop = expression();
  if (cursor_.skip_operator(":") && !cursor_.current().is_operator("]")) step = expression();
  cursor_.expect_operator("]");
  return make(
      line, SliceSubscript{std::move(object), std::move(start), std::move(stop), std::move(step)});
}

void ExpressionParser::call_argument(CallSyntax& arguments) {
  const auto ensure = [this](bool holds) {
    if (!holds) cursor_.fail("invalid syntax for function call expression");
  };
  if (cursor_.skip_operator("*")) {
    ensure(!arguments.star && !arguments.double_star);
    arguments.star = expression();
  } else if (cursor_.skip_operator("**")) {
    ensure(!arguments.double_star);
    arguments.double_star = expression();
  } else if (cursor_.current().kind == TokenKind::kName && cursor_.look().is_operator("=")) {
    ensure(!arguments.double_star);
    std::string keyword = cursor_.next().text;
    cursor_.next();
    for (const auto& given : arguments.keywords)
      if (given.first == keyword)
        cursor_.fail(fmt::format("keyword argument repeated: {}", keyword));
    arguments.keywords.emplace_back(std::move(keyword), expression());
  } else {
    ensure(!arguments.star && !arguments.double_star && arguments.keywords.empty());
    arguments.positional.push_back(expression());
  }
}

CallSyntax ExpressionParser::call_arguments() {
  cursor_.expect_operator("(");
  CallSyntax arguments;
  bool first = true;
  while (!cursor_.current().is_operator(")")) {
    if (!first) {
      cursor_.expect_operator(",");
      if (cursor_.current().is_operator(")")) break;
    }
    first = false;
    call_argument(arguments);
  }
  cursor_.expect_operator(")");
  return arguments;
}

std::string ExpressionParser::dotted_name(const char* what) {
  std::string full = cursor_.expect(TokenKind::kName, what).text;
  while (cursor_.skip_operator(".")) full += "." + cursor_.expect(TokenKind::kName, what).text;
  return full;
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr input, bool first_without_pipe) {
  while (first_without_pipe || cursor_.current().is_operator("|")) {
    if (!first_without_pipe) cursor_.next();
    first_without_pipe = false;
    const int line = cursor_.current().line;
    FilterUse node{std::move(input), dotted_name("the name of a filter"), nullptr, {}};
    node.filter = find_filter(node.name);
    if (node.filter == nullptr) unknown("filter", node.name);
    if (cursor_.current().is_operator("(")) node.arguments = call_arguments();
    input = make(line, std::move(node));
  }
  return input;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr input) {
  const int line = cursor_.next().line;
  const bool negated = cursor_.skip_name("not");
  TestUse node{std::move(input), dotted_name("the name of a test"), nullptr, {}};
  node.test = find_test(node.name);
  if (node.test == nullptr) unknown("test", node.name);
  const Token& token = cursor_.current();
  const bool ends_here = token.is_name("else") || token.is_name("or") || token.is_name("and");
  if (token.is_operator("(")) {
    node.arguments = call_arguments();
  } else if (!ends_here && (token.kind == TokenKind::kName || token.kind == TokenKind::kString ||
                            token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat ||
                            token.is_operator("[") || token.is_operator("{"))) {
    if (token.is_name("is")) cursor_.fail("You cannot chain multiple tests with is");
    const Nesting nesting(*this);
    node.arguments.positional.push_back(postfix(primary()));
  }
  ExpressionPtr result = make(line, std::move(node));
  return negated ? make(line, Negation{std::move(result)}) : std::move(result);
}

}  // namespace gpumodel::engine::text::jinja

// Tokens to a syntax tree, by the grammar of Jinja's parser.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/jinja/ast.hpp"
#include "engine/text/jinja/token_cursor.hpp"

namespace gpumodel::engine::text::jinja {

// Throws TemplateError with the line. Nesting is bounded, in recursion and in the tree that comes
// out.
Block parse_template(std::string_view source);

// Expressions. Also keeps what the statements have to know about the names that they mention.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenCursor& cursor) : cursor_(cursor) {}

  ExpressionPtr expression(bool with_conditional = true);
  // Several expressions with commas make a tuple. `end_name` ends it besides the tag's end.
  ExpressionPtr tuple(bool with_conditional = true, std::string_view end_name = {});
  // `| a | b(c)` applied to `input`, which is null for the filter of a block.
  ExpressionPtr filters(ExpressionPtr input, bool first_without_pipe = false);

  // Counts one level of nesting as long as it lives.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };

  // Inside {% if %} Jinja lets an unknown filter or test pass until it is evaluated; elsewhere it
  // is an error of the template.
  bool lenient = false;
  // The first unknown filter or test that nothing excuses, as an error to throw at the end.
  void check_unknown() const;

  // Names mentioned inside the macros that are being parsed, innermost last.
  std::vector<std::set<std::string, std::less<>>> macro_names;

 private:
  ExpressionPtr conditional();
  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filters = true);
  ExpressionPtr postfix(ExpressionPtr object);
  ExpressionPtr filter_chain(ExpressionPtr object);
  ExpressionPtr primary();
  ExpressionPtr name(const Token& token);
  ExpressionPtr parenthesized();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr subscript(ExpressionPtr object);
  ExpressionPtr subscript_brackets(ExpressionPtr object, int line);
  ExpressionPtr test(ExpressionPtr input);
  CallSyntax call_arguments();
  void call_argument(CallSyntax& arguments);
  std::string dotted_name(const char* what);
  void unknown(const char* what, const std::string& name);

  // Every node is made here: line, depth, and the bound on depth.
  template <class Node>
  ExpressionPtr make(int line, Node node);

  struct Unknown {
    int line;
    std::string reason;
  };
  TokenCursor& cursor_;
  unsigned nesting_ = 0;
  std::vector<Unknown> unknown_;
};

}  // namespace gpumodel::engine::text::jinja

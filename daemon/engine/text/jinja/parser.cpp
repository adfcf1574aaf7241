#include "engine/text/jinja/parser.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>

#include "engine/text/jinja/scope_analysis.hpp"
#include "engine/text/template_error.hpp"

namespace gpumodel::engine::text::jinja {

namespace {

constexpr std::array<std::string_view, 6> kRefusedTags{"include", "import",     "from",
                                                       "extends", "autoescape", "trans"};

class StatementParser {
 public:
  explicit StatementParser(std::vector<Token> tokens)
      : cursor_(std::move(tokens)), expressions_(cursor_) {}
  Block run();

 private:
  using Names = std::initializer_list<std::string_view>;
  // Statements up to a tag that is one of `ends`, whose name is then the current token.
  Body statements(Names ends);
  // The rest of an opening tag, and the body up to one of `ends`.
  std::unique_ptr<Body> block(Names ends);
  std::unique_ptr<Block> scope(Names ends);
  // The same for a body that ends one way only and is a scope of its own.
  std::unique_ptr<Block> scoped_block(std::string_view end);
  void statement(Body& body);
  [[noreturn]] void fail_unknown_tag(const std::string& tag);

  void set(Statement& statement);
  For for_loop();
  If if_chain();
  Macro macro();
  CallBlock call_block();
  With with_block();
  FilterBlock filter_block();
  Output print();
  Scoped block_tag();
  void loop_control(const std::string& tag, Statement& statement);

  Target target(bool with_namespace, std::string_view end_name = {});
  Target single_target(bool with_namespace);
  std::string parameter_name();
  void parameters(MacroSyntax& macro);
  void macro_body(MacroSyntax& macro, std::string_view end);

  TokenCursor cursor_;
  ExpressionParser expressions_;
  unsigned loops_ = 0;  // that break and continue can mean here
  std::set<std::string, std::less<>> blocks_;
};

// Sets a value for a scope and puts the old one back.
template <class T>
class Restore {
 public:
  Restore(T& variable, T value)
      : variable_(variable), old_(std::exchange(variable, std::move(value))) {}
  ~Restore() { variable_ = old_; }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& variable_;
  T old_;
};

Block StatementParser::run() {
  Block root{statements({}), {}};
  expressions_.check_unknown();
  analyze_scopes(root);
  return root;
}

Body StatementParser::statements(Names ends) {
  const ExpressionParser::Nesting nesting(expressions_);
  Body body;
  for (;;) {
    const Token& token = cursor_.current();
    switch (token.kind) {
      case TokenKind::kData:
        body.push_back({token.line, Data{cursor_.next().text}});
        break;
      case TokenKind::kVariableBegin: {
        const int line = cursor_.next().line;
        Output output;
        output.values.push_back(expressions_.tuple());
        cursor_.expect(TokenKind::kVariableEnd, "the end of the print statement");
        body.push_back({line, std::move(output)});
        break;
      }
      case TokenKind::kBlockBegin:
        cursor_.next();
        if (std::any_of(ends.begin(), ends.end(),
                        [&](std::string_view end) { return cursor_.current().is_name(end); }))
          return body;
        statement(body);
        cursor_.expect(TokenKind::kBlockEnd, "the end of the tag");
        break;
      default:
        if (ends.size() != 0)
          cursor_.fail(fmt::format("Unexpected end of template. Jinja was looking for '{}'.",
                                   *(ends.end() - 1)));
        return body;
    }
  }
}

std::unique_ptr<Body> StatementParser::block(Names ends) {
  cursor_.skip_operator(":");
  cursor_.expect(TokenKind::kBlockEnd, "the end of the tag");
  return std::make_unique<Body>(statements(ends));
}

std::unique_ptr<Block> StatementParser::scope(Names ends) {
  return std::make_unique<Block>(Block{std::move(*block(ends)), {}});
}

std::unique_ptr<Block> StatementParser::scoped_block(std::string_view end) {
  const Restore<bool> strict(expressions_.lenient, false);
  auto body = scope({end});
  cursor_.next();
  return body;
}

void StatementParser::fail_unknown_tag(const std::string& tag) {
  if (std::find(kRefusedTags.begin(), kRefusedTags.end(), tag) != kRefusedTags.end())
    cursor_.fail(fmt::format("the tag '{}' is not supported: a chat template stands alone", tag));
  cursor_.fail(fmt::format("Encountered unknown tag '{}'.", tag));
}

void StatementParser::statement(Body& body) {
  const Token& token = cursor_.expect(TokenKind::kName, "the name of a tag");
  const std::string tag = token.text;
  Statement made;
  made.line = token.line;
  if (tag == "set")
    set(made);
  else if (tag == "for")
    made.node = for_loop();
  else if (tag == "if")
    made.node = if_chain();
  else if (tag == "macro")
    made.node = macro();
  else if (tag == "call")
    made.node = call_block();
  else if (tag == "with")
    made.node = with_block();
  else if (tag == "filter")
    made.node = filter_block();
  else if (tag == "print")
    made.node = print();
  else if (tag == "block")
    made.node = block_tag();
  else if (tag == "generation") {
    const Restore<unsigned> outside(loops_, 0);
    made.node = Scoped{scoped_block("endgeneration"), false};
  } else if (tag == "break" || tag == "continue")
    loop_control(tag, made);
  else
    fail_unknown_tag(tag);
  body.push_back(std::move(made));
}

void StatementParser::loop_control(const std::string& tag, Statement& statement) {
  if (loops_ == 0) cursor_.fail(fmt::format("'{}' stands outside of a loop", tag));
  if (tag == "break")
    statement.node = Break{};
  else
    statement.node = Continue{};
}

Target StatementParser::single_target(bool with_namespace) {
  const ExpressionParser::Nesting nesting(expressions_);
  Target made;
  if (cursor_.skip_operator("(")) {
    made = target(with_namespace, {});
    cursor_.expect_operator(")");
    return made;
  }
  const Token& token = cursor_.expect(TokenKind::kName, "a name to assign to");
  constexpr std::array<std::string_view, 6> kConstants{"true", "false", "none",
                                                       "True", "False", "None"};
  if (std::find(kConstants.begin(), kConstants.end(), token.text) != kConstants.end())
    cursor_.fail(fmt::format("can't assign to '{}'", token.text));
  made.name = token.text;
  if (with_namespace && cursor_.skip_operator("."))
    made.attribute = cursor_.expect(TokenKind::kName, "a name").text;
  return made;
}

Target StatementParser::target(bool with_namespace, std::string_view end_name) {
  Target first = single_target(with_namespace);
  if (!cursor_.current().is_operator(",")) return first;
  Target all;
  all.is_tuple = true;
  all.items.push_back(std::move(first));
  while (cursor_.skip_operator(",")) {
    const Token& token = cursor_.current();
    if (token.kind == TokenKind::kBlockEnd || token.is_operator(")") || token.is_operator("=") ||
        (!end_name.empty() && token.is_name(end_name)))
      break;
    all.items.push_back(single_target(with_namespace));
  }
  return all;
}

void StatementParser::set(Statement& statement) {
  Target to = target(true);
  if (cursor_.skip_operator("=")) {
    statement.node = Set{std::move(to), expressions_.tuple()};
    return;
  }
  ExpressionPtr filter = expressions_.filters(nullptr);
  const Restore<unsigned> outside(loops_, 0);
  statement.node = SetBlock{std::move(to), std::move(filter), scoped_block("endset")};
}

For StatementParser::for_loop() {
  For loop;
  loop.target = target(false, "in");
  if (!cursor_.skip_name("in")) cursor_.fail_unexpected("'in'");
  const Restore<bool> strict(expressions_.lenient, false);
  loop.iterable = expressions_.tuple(false, "recursive");
  if (cursor_.skip_name("if")) loop.condition = expressions_.expression();
  loop.recursive = cursor_.skip_name("recursive");
  {
    const Restore<unsigned> inside(loops_, loops_ + 1);
    loop.body = scope({"else", "endfor"});
  }
  if (cursor_.next().text == "else") {
    loop.otherwise = scope({"endfor"});
    cursor_.next();
  }
  return loop;
}

If StatementParser::if_chain() {
  If made;
  const Restore<bool> lenient(expressions_.lenient, true);
  for (;;) {
    ExpressionPtr condition = expressions_.tuple(false);
    made.branches.emplace_back(std::move(condition), block({"elif", "else", "endif"}));
    const std::string tag = cursor_.next().text;
    if (tag == "elif") continue;
    if (tag == "else") {
      made.otherwise = block({"endif"});
      cursor_.next();
    }
    return made;
  }
}

std::string StatementParser::parameter_name() {
  const Target name = single_target(false);
  if (name.is_tuple || name.name.empty()) cursor_.fail("a parameter must be a name");
  return name.name;
}

void StatementParser::parameters(MacroSyntax& macro) {
  cursor_.expect_operator("(");
  bool defaults = false;
  while (!cursor_.current().is_operator(")")) {
    if (!macro.parameters.empty()) cursor_.expect_operator(",");
    std::string name = parameter_name();
    for (const auto& other : macro.parameters)
      if (other.first == name) cursor_.fail(fmt::format("the parameter '{}' is there twice", name));
    ExpressionPtr value;
    if (cursor_.skip_operator("=")) {
      value = expressions_.expression();
      defaults = true;
    } else if (defaults) {
      cursor_.fail("non-default argument follows default argument");
    }
    macro.parameters.emplace_back(std::move(name), std::move(value));
  }
  cursor_.expect_operator(")");
}

void StatementParser::macro_body(MacroSyntax& macro, std::string_view end) {
  const Restore<unsigned> outside(loops_, 0);
  expressions_.macro_names.emplace_back();
  macro.body = scoped_block(end);
  const auto& names = expressions_.macro_names.back();
  const auto uses = [&](std::string_view name) {
    return names.find(name) != names.end() &&
           std::none_of(macro.parameters.begin(), macro.parameters.end(),
                        [&](const auto& each) { return each.first == name; });
  };
  macro.uses_caller = uses("caller");
  macro.uses_varargs = uses("varargs");
  macro.uses_kwargs = uses("kwargs");
  expressions_.macro_names.pop_back();
}

Macro StatementParser::macro() {
  Macro made;
  made.syntax.name = parameter_name();
  parameters(made.syntax);
  macro_body(made.syntax, "endmacro");
  return made;
}

CallBlock StatementParser::call_block() {
  CallBlock made;
  if (cursor_.current().is_operator("(")) parameters(made.caller);
  made.call = expressions_.expression();
  if (!std::holds_alternative<Call>(made.call->node)) cursor_.fail("expected call");
  macro_body(made.caller, "endcall");
  return made;
}

With StatementParser::with_block() {
  With made;
  while (cursor_.current().kind != TokenKind::kBlockEnd) {
    if (!made.bindings.empty()) cursor_.expect_operator(",");
    Target to = single_target(false);
    cursor_.expect_operator("=");
    made.bindings.emplace_back(std::move(to), expressions_.expression());
  }
  made.body = scoped_block("endwith");
  return made;
}

FilterBlock StatementParser::filter_block() {
  FilterBlock made;
  made.filter = expressions_.filters(nullptr, true);
  const Restore<unsigned> outside(loops_, 0);
  made.body = scoped_block("endfilter");
  return made;
}

Output StatementParser::print() {
  Output made;
  while (cursor_.current().kind != TokenKind::kBlockEnd) {
    if (!made.values.empty()) cursor_.expect_operator(",");
    made.values.push_back(expressions_.expression());
  }
  return made;
}

Scoped StatementParser::block_tag() {
  const std::string name = cursor_.expect(TokenKind::kName, "the name of a block").text;
  if (!blocks_.insert(name).second) cursor_.fail(fmt::format("block '{}' defined twice", name));
  const bool scoped = cursor_.skip_name("scoped");
  if (cursor_.current().is_name("required"))
    cursor_.fail("a required block needs a template that extends this one");
  const Restore<unsigned> outside(loops_, 0);
  Scoped made{scoped_block("endblock"), !scoped};
  cursor_.skip_name(name);
  return made;
}

}  // namespace

Block parse_template(std::string_view source) { return StatementParser(tokenize(source)).run(); }

}  // namespace gpumodel::engine::text::jinja

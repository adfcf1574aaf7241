#include "engine/text/jinja/scope_analysis.hpp"

#include <functional>
#include <set>

namespace gpumodel::engine::text::jinja {
namespace {

// One scope while it is walked. Inner scopes wait until it is done, for they ask which names it
// mentions.
class Frame {
 public:
  explicit Frame(const Frame* outer) : outer_(outer) {}

  void parameter(const Target& target);
  void parameter(const std::string& name) { mentioned_.insert(name); }
  void walk(const Body& body);
  void walk(const Expression& expression);
  void finish(Block& block);

 private:
  void load(const std::string& name) { mentioned_.insert(name); }
  void store(const std::string& name) {
    if (mentioned_.insert(name).second && branches_ == 0) assigned_first_.insert(name);
  }
  void store(const Target& target);
  bool is_mentioned(const std::string& name) const {
    return mentioned_.count(name) != 0 || (outer_ != nullptr && outer_->is_mentioned(name));
  }
  void walk(const ExpressionPtr& expression) {
    if (expression) walk(*expression);
  }
  void walk(const ExpressionList& expressions) {
    for (const auto& each : expressions) walk(each);
  }
  void walk(const CallSyntax& call);
  // `prepare` declares the inner scope's parameters.
  void inner(const std::unique_ptr<Block>& block, std::function<void(Frame&)> prepare = nullptr,
             bool from_root = false);
  void inner(const MacroSyntax& macro);

  void visit(const Literal&) {}
  void visit(const Name& node) { load(node.name); }
  void visit(const ListDisplay& node) { walk(node.items); }
  void visit(const TupleDisplay& node) { walk(node.items); }
  void visit(const DictDisplay& node) {
    for (const auto& [key, value] : node.items) walk(key), walk(value);
  }
  void visit(const Negation& node) { walk(node.operand); }
  void visit(const Sign& node) { walk(node.operand); }
  void visit(const Binary& node) { walk(node.left), walk(node.right); }
  void visit(const Concatenation& node) { walk(node.parts); }
  void visit(const Comparison& node) {
    walk(node.first);
    for (const auto& operand : node.rest) walk(operand.second);
  }
  void visit(const Junction& node) { walk(node.left), walk(node.right); }
  void visit(const Conditional& node) {
    walk(node.condition), walk(node.then), walk(node.otherwise);
  }
  void visit(const Attribute& node) { walk(node.object); }
  void visit(const Subscript& node) { walk(node.object), walk(node.index); }
  void visit(const SliceSubscript& node) {
    walk(node.object), walk(node.start), walk(node.stop), walk(node.step);
  }
  void visit(const Call& node) { walk(node.callee), walk(node.arguments); }
  void visit(const FilterUse& node) { walk(node.input), walk(node.arguments); }
  void visit(const TestUse& node) { walk(node.input), walk(node.arguments); }

  void visit(const Data&) {}
  void visit(const Output& node) { walk(node.values); }
  void visit(const Set& node) { walk(node.value), store(node.target); }
  void visit(const SetBlock& node) { store(node.target), inner(node.body); }
  void visit(const FilterBlock& node) { walk(node.filter), inner(node.body); }
  void visit(const For& node);
  void visit(const If& node);
  void visit(const Macro& node) { store(node.syntax.name), inner(node.syntax); }
  void visit(const CallBlock& node) { walk(node.call), inner(node.caller); }
  void visit(const With& node);
  void visit(const Scoped& node) { inner(node.body, nullptr, node.from_root); }
  void visit(const Break&) {}
  void visit(const Continue&) {}

  struct Inner {
    Block* block;
    std::function<void(Frame&)> prepare;
    bool from_root;
  };
  const Frame* outer_;
  std::set<std::string> mentioned_;
  std::set<std::string> assigned_first_;
  unsigned branches_ = 0;  // of an if, around what is being walked
  std::vector<Inner> inner_;
};

void Frame::parameter(const Target& target) {
  if (!target.is_tuple) parameter(target.name);
  for (const Target& item : target.items) parameter(item);
}

void Frame::store(const Target& target) {
  for (const Target& item : target.items) store(item);
  if (target.is_tuple) return;
  if (target.attribute.empty())
    store(target.name);
  else
    load(target.name);
}

void Frame::walk(const CallSyntax& call) {
  walk(call.positional);
  for (const auto& keyword : call.keywords) walk(keyword.second);
  walk(call.star);
  walk(call.double_star);
}

void Frame::walk(const Expression& expression) {
  std::visit([this](const auto& node) { visit(node); }, expression.node);
}

void Frame::walk(const Body& body) {
  for (const Statement& statement : body)
    std::visit([this](const auto& node) { visit(node); }, statement.node);
}

void Frame::inner(const std::unique_ptr<Block>& block, std::function<void(Frame&)> prepare,
                  bool from_root) {
  if (block) inner_.push_back({block.get(), std::move(prepare), from_root});
}

void Frame::inner(const MacroSyntax& macro) {
  inner(macro.body, [&macro](Frame& frame) {
    for (const auto& parameter : macro.parameters) frame.parameter(parameter.first);
    for (const char* name : {"caller", "varargs", "kwargs"}) frame.parameter(name);
    for (const auto& parameter : macro.parameters) frame.walk(parameter.second);
  });
}

void Frame::visit(const For& node) {
  walk(node.iterable);
  inner(node.body, [&node](Frame& frame) { frame.parameter(node.target); });
  inner(node.otherwise);
}

void Frame::visit(const If& node) {
  walk(node.branches.front().first);
  ++branches_;
  for (const auto& [condition, body] : node.branches) walk(condition), walk(*body);
  if (node.otherwise) walk(*node.otherwise);
  --branches_;
}

void Frame::visit(const With& node) {
  for (const auto& binding : node.bindings) walk(binding.second);
  inner(node.body, [&node](Frame& frame) {
    for (const auto& binding : node.bindings) frame.parameter(binding.first);
  });
}

void Frame::finish(Block& block) {
  for (const std::string& name : assigned_first_)
    if (outer_ == nullptr || !outer_->is_mentioned(name)) block.hidden.push_back(name);
  for (const Inner& each : inner_) {
    Frame frame(each.from_root ? nullptr : this);
    if (each.prepare) each.prepare(frame);
    frame.walk(each.block->statements);
    frame.finish(*each.block);
  }
}

}  // namespace

void analyze_scopes(Block& root) {
  Frame frame(nullptr);
  frame.walk(root.statements);
  frame.finish(root);
}

}  // namespace gpumodel::engine::text::jinja

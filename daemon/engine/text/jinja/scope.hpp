// The variables of a template while it runs.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

// One level of variables. Lookup goes outwards; assignment stays here. An if is no scope of its
// own; the body of a for, of a macro and of every block that captures its text is.
struct Scope {
  explicit Scope(std::shared_ptr<Scope> outer) : parent(std::move(outer)) {}

  // nullptr where no level has it.
  const Value* find(Runtime& runtime, const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      runtime.step(scope->variables.size() / 16);
      for (const auto& [key, value] : scope->variables)
        if (key == name) return &value;
    }
    return nullptr;
  }

  void assign(Runtime& runtime, const std::string& name, Value value) {
    runtime.step(variables.size() / 16);
    for (auto& [key, old] : variables)
      if (key == name) {
        old = std::move(value);
        return;
      }
    variables.emplace_back(name, std::move(value));
  }

  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> variables;
  bool pinned = false;
};

// Scopes that a macro refers to. They are kept until the render ends: such scopes can be part of
// cycles and of chains of any length, which must not be destroyed by recursion.
class PinnedScopes {
 public:
  PinnedScopes() = default;
  PinnedScopes(const PinnedScopes&) = delete;
  PinnedScopes& operator=(const PinnedScopes&) = delete;
  ~PinnedScopes() {
    for (const auto& scope : all_) scope->variables.clear();
  }

  // `scope` and all around it. Throws where a template makes too many.
  void pin(const Runtime& runtime, std::shared_ptr<Scope> scope) {
    for (; scope != nullptr && !scope->pinned; scope = scope->parent) {
      if (all_.size() >= kMaxScopes)
        runtime.fail("the template defines too many macros inside of loops");
      scope->pinned = true;
      all_.push_back(scope);
    }
  }

 private:
  static constexpr std::size_t kMaxScopes = 20'000;
  std::vector<std::shared_ptr<Scope>> all_;
};

}  // namespace gpumodel::engine::text::jinja

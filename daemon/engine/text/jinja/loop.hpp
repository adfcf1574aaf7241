// The `loop` variable of a for statement.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

// The items are taken one by one, with at most one of look-ahead, so that the loop's own condition
// sees what the body has done so far, as in Jinja.
struct LoopData : Object {
  Values items;
  std::size_t next_item = 0;
  // The loop's `if`, which may rewrite the item; empty: all are taken.
  std::function<bool(Value&)> accept;
  std::optional<Value> ahead;
  std::optional<Value> current;
  std::optional<Value> previous;
  std::optional<Value> changed;
  std::optional<std::int64_t> length;
  std::int64_t index0 = -1;
  std::int64_t depth0 = 0;
  Value recurse;  // loop(...), undefined where the loop is not recursive

  // The next accepted item, or nothing.
  std::optional<Value> take();
  bool advance();
  bool is_last();
  std::int64_t total(Runtime& runtime);
  // After the loop: nothing is held on to, so that loops which a namespace keeps form no chain.
  void close();
};

// loop.name; false where there is no such attribute.
bool loop_attribute(Runtime& runtime, const Value& loop, const std::string& name, Value& found);

}  // namespace gpumodel::engine::text::jinja

#include "engine/text/jinja/loop.hpp"

#include "engine/text/jinja/operators.hpp"

namespace gpumodel::engine::text::jinja {

std::optional<Value> LoopData::take() {
  while (next_item < items.size()) {
    Value item = items[next_item++];
    if (!accept || accept(item)) return item;
  }
  return std::nullopt;
}

bool LoopData::advance() {
  std::optional<Value> item = ahead ? std::move(ahead) : take();
  ahead.reset();
  if (!item) return false;
  previous = std::move(current);
  current = std::move(item);
  ++index0;
  return true;
}

bool LoopData::is_last() {
  if (!ahead) ahead = take();
  return !ahead;
}

std::int64_t LoopData::total(Runtime& runtime) {
  if (!length) {
    if (accept) {  // only by taking them all
      Values rest;
      while (auto item = take()) rest.push_back(*item);
      runtime.step(rest.size());
      length = static_cast<std::int64_t>(rest.size()) + index0 + 1 + (ahead ? 1 : 0);
      items = std::move(rest);
      next_item = 0;
      accept = nullptr;
    } else {
      length = static_cast<std::int64_t>(items.size());
    }
  }
  return *length;
}

void LoopData::close() {
  items.clear();
  next_item = 0;
  accept = nullptr;
  ahead.reset();
  current.reset();
  previous.reset();
  changed.reset();
  recurse = Value();
}

namespace {

// The methods take the loop as a raw pointer's owner: the bound function holds the loop's Value.
Value bind_cycle(Runtime& runtime, const Value& loop) {
  return runtime.function("cycle", {loop}, [loop](Runtime& rt, CallArguments& given) {
    if (given.positional.empty()) rt.fail("no items for cycling given");
    const auto at =
        static_cast<std::size_t>(std::max<std::int64_t>(loop.get<LoopData>().index0, 0));
    return given.positional[at % given.positional.size()];
  });
}

Value bind_changed(Runtime& runtime, const Value& loop) {
  return runtime.function("changed", {loop}, [loop](Runtime& rt, CallArguments& given) {
    auto& data = loop.get<LoopData>();
    const Value now = rt.tuple(std::move(given.positional));
    if (data.changed && equal(rt, *data.changed, now)) return Value::boolean(false);
    data.changed = now;
    return Value::boolean(true);
  });
}

}  // namespace

bool loop_attribute(Runtime& runtime, const Value& loop, const std::string& name, Value& found) {
  auto& data = loop.get<LoopData>();
  if (name == "index")
    found = Value::integer(data.index0 + 1);
  else if (name == "index0")
    found = Value::integer(data.index0);
  else if (name == "first")
    found = Value::boolean(data.index0 == 0);
  else if (name == "last")
    found = Value::boolean(data.is_last());
  else if (name == "length")
    found = Value::integer(data.total(runtime));
  else if (name == "revindex")
    found = Value::integer(data.total(runtime) - data.index0);
  else if (name == "revindex0")
    found = Value::integer(data.total(runtime) - data.index0 - 1);
  else if (name == "depth")
    found = Value::integer(data.depth0 + 1);
  else if (name == "depth0")
    found = Value::integer(data.depth0);
  else if (name == "previtem")
    found = data.previous ? *data.previous : runtime.undefined("there is no previous item");
  else if (name == "nextitem")
    found = data.is_last() ? runtime.undefined("there is no next item") : *data.ahead;
  else if (name == "cycle")
    found = bind_cycle(runtime, loop);
  else if (name == "changed")
    found = bind_changed(runtime, loop);
  else
    return false;
  return true;
}

}  // namespace gpumodel::engine::text::jinja

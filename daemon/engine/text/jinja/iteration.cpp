// The length and iteration part of operators.hpp.
#include <fmt/format.h>
#include <algorithm>

#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {

std::size_t length(Runtime& runtime, const Value& value) {
  switch (value.type()) {
    case Type::kUndefined:
      return 0;
    case Type::kString:
      return value.get<StringData>().length;
    case Type::kList:
    case Type::kTuple:
      return value.get<SequenceData>().items.size();
    case Type::kDict:
      return value.get<DictData>().entries.size();
    case Type::kView:
      return value.get<ViewData>().dict.get<DictData>().entries.size();
    case Type::kRange:
      return static_cast<std::size_t>(value.get<RangeData>().length);
    default:
      runtime.fail(fmt::format("object of type '{}' has no len()", type_name(value)));
  }
}

bool has_length(const Value& value) {
  switch (value.type()) {
    case Type::kUndefined:
    case Type::kString:
    case Type::kList:
    case Type::kTuple:
    case Type::kDict:
    case Type::kView:
    case Type::kRange:
      return true;
    default:
      return false;
  }
}

bool is_iterable(const Value& value) { return has_length(value) || value.is(Type::kIterator); }

Value range_item(const RangeData& range, std::int64_t at) {
  return Value::integer(range.start + range.step * at);
}

namespace {

Values characters(Runtime& runtime, const StringData& string) {
  Values items;
  runtime.check_elements(string.length);
  items.reserve(string.length);
  const std::string& bytes = string.text.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = decode_at(bytes, at).bytes;
    items.push_back(runtime.string(string.text.substr(at, size)));
    at += size;
  }
  return items;
}

Values view_items(Runtime& runtime, const ViewData& view) {
  Values items;
  for (const auto& [key, value] : view.dict.get<DictData>().entries) {
    switch (view.part) {
      case ViewData::Part::kKeys:
        items.push_back(key);
        break;
      case ViewData::Part::kValues:
        items.push_back(value);
        break;
      case ViewData::Part::kItems:
        items.push_back(runtime.tuple({key, value}));
        break;
    }
  }
  return items;
}

void produce(Runtime& runtime, IteratorData& iterator) {
  if (!iterator.produce) return;
  const auto make = std::move(iterator.produce);
  iterator.produce = nullptr;
  iterator.items = make(runtime);
  // The items were each charged where they were made; this is the vector that holds them.
  unsigned depth = iterator.depth;
  for (const Value& item : iterator.items) depth = std::max(depth, item.depth() + 1);
  runtime.adopt(iterator, depth, iterator.items.size() * sizeof(Value));
}

}  // namespace

Values iterate(Runtime& runtime, const Value& value) {
  runtime.step();
  switch (value.type()) {
    case Type::kUndefined:
      return {};
    case Type::kString:
      return characters(runtime, value.get<StringData>());
    case Type::kList:
    case Type::kTuple:
      runtime.step(value.get<SequenceData>().items.size() / 8);
      return value.get<SequenceData>().items;
    case Type::kDict: {
      Values keys;
      for (const auto& entry : value.get<DictData>().entries) keys.push_back(entry.first);
      runtime.step(keys.size() / 8);
      return keys;
    }
    case Type::kView:
      runtime.step(length(runtime, value) / 8);
      return view_items(runtime, value.get<ViewData>());
    case Type::kRange: {
      const auto& range = value.get<RangeData>();
      runtime.step(static_cast<std::size_t>(range.length) / 8);
      Values items;
      for (std::int64_t at = 0; at < range.length; ++at) items.push_back(range_item(range, at));
      return items;
    }
    case Type::kIterator: {
      auto& iterator = value.get<IteratorData>();
      produce(runtime, iterator);
      Values rest(iterator.items.begin() + static_cast<std::ptrdiff_t>(iterator.next),
                  iterator.items.end());
      runtime.step(rest.size() / 8);
      iterator.items.clear();
      iterator.next = 0;
      return rest;
    }
    default:
      runtime.fail(fmt::format("'{}' object is not iterable", type_name(value)));
  }
}

bool first_item(Runtime& runtime, const Value& value, Value& item) {
  if (value.is(Type::kIterator)) {
    auto& iterator = value.get<IteratorData>();
    produce(runtime, iterator);
    if (iterator.next == iterator.items.size()) return false;
    item = iterator.items[iterator.next++];
    return true;
  }
  const Values items = iterate(runtime, value);
  if (items.empty()) return false;
  item = items.front();
  return true;
}

}  // namespace gpumodel::engine::text::jinja

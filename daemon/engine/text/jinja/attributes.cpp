#include "engine/text/jinja/attributes.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <string_view>

#include "engine/text/jinja/loop.hpp"
#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

std::string object_name(const Value& object) {
  return object.is(Type::kNone) ? "None" : type_name(object) + " object";
}

Value missing_attribute(Runtime& runtime, const Value& object, const std::string& name) {
  return runtime.undefined(fmt::format("'{}' has no attribute '{}'", object_name(object), name));
}

// Mutators exist for Python, but the immutable sandbox hides them: they shadow an item of that
// name.
bool is_hidden(const Value& object, std::string_view name) {
  const auto one_of = [name](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (object.is(Type::kDict)) return one_of({"clear", "pop", "popitem", "setdefault", "update"});
  if (object.is(Type::kList))
    return one_of({"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"});
  return false;
}

// False where there is no attribute of that name.
bool python_attribute(Runtime& runtime, const Value& object, const std::string& name,
                      Value& found) {
  if (is_hidden(object, name)) {
    found = runtime.undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(object)));
    return true;
  }
  switch (object.type()) {
    case Type::kNamespace:
      for (const auto& [key, value] : object.get<NamespaceData>().attributes)
        if (key == name) {
          found = value;
          return true;
        }
      return false;
    case Type::kLoop:
      return loop_attribute(runtime, object, name, found);
    case Type::kTuple:
      if (object.get<SequenceData>().group && (name == "grouper" || name == "list")) {
        found = object.get<SequenceData>().items[name == "list" ? 1 : 0];
        return true;
      }
      break;
    case Type::kFunction:
      if (object.get<FunctionData>().macro && name == "name") {
        found = runtime.string(OriginText(object.get<FunctionData>().name, Origin::kTemplate));
        return true;
      }
      return false;
    case Type::kRange: {
      const auto& range = object.get<RangeData>();
      if (name == "start")
        found = Value::integer(range.start);
      else if (name == "step")
        found = Value::integer(range.step);
      else if (name == "stop")
        found = Value::integer(range.stop);
      else
        break;
      return true;
    }
    case Type::kCycler: {
      const auto& cycler = object.get<CyclerData>();
      if (name == "current") {
        found = cycler.items[cycler.position];
        return true;
      }
      break;
    }
    default:
      break;
  }
  found = find_method(runtime, object, name);
  return !found.is(Type::kUndefined);
}

bool sequence_item(Runtime& runtime, const Value& object, std::int64_t at, Value& found) {
  const auto size = static_cast<std::int64_t>(length(runtime, object));
  if (at < 0) at += size;
  if (at < 0 || at >= size) return false;
  const auto position = static_cast<std::size_t>(at);
  switch (object.type()) {
    case Type::kList:
    case Type::kTuple:
      found = object.get<SequenceData>().items[position];
      return true;
    case Type::kRange:
      found = range_item(object.get<RangeData>(), at);
      return true;
    case Type::kString: {
      const auto& string = object.get<StringData>();
      std::size_t begin = position;
      if (!string.ascii()) {
        runtime.step_bytes(string.text.size() * 4);
        begin = 0;
        for (std::size_t n = 0; n < position; ++n)
          begin += decode_at(string.text.bytes(), begin).bytes;
      }
      found = runtime.string(string.text.substr(begin, decode_at(string.text.bytes(), begin).bytes),
                             string.markup);
      return true;
    }
    default:
      return false;
  }
}

// False for LookupError and TypeError.
bool python_item(Runtime& runtime, const Value& object, const Value& index, Value& found) {
  switch (object.type()) {
    case Type::kDict: {
      // Python reports an unhashable key as TypeError, which Jinja takes for "not there".
      if (index.is(Type::kList) || index.is(Type::kDict) || index.is(Type::kView)) return false;
      const Value* value = dict_find(runtime, object.get<DictData>(), index);
      if (value == nullptr) return false;
      found = *value;
      return true;
    }
    case Type::kList:
    case Type::kTuple:
    case Type::kRange:
    case Type::kString:
      return index.is_integral() && sequence_item(runtime, object, index.as_int(), found);
    case Type::kLoop:
    default:
      return false;
  }
}

}  // namespace

Value get_attribute(Runtime& runtime, const Value& object, const std::string& name) {
  runtime.step();
  if (object.is(Type::kUndefined)) fail_undefined(runtime, object);
  Value found;
  if (python_attribute(runtime, object, name, found)) return found;
  if (object.is(Type::kDict)) {
    if (const Value* value = dict_find(runtime, object.get<DictData>(), name)) return *value;
  }
  return missing_attribute(runtime, object, name);
}

Value get_item(Runtime& runtime, const Value& object, const Value& index) {
  runtime.step();
  if (object.is(Type::kUndefined)) fail_undefined(runtime, object);
  Value found;
  if (python_item(runtime, object, index, found)) return found;
  if (index.is(Type::kString)) {
    const std::string& name = index.get<StringData>().text.bytes();
    if (python_attribute(runtime, object, name, found)) return found;
    return missing_attribute(runtime, object, name);
  }
  if (index.is_integral())
    return runtime.undefined(
        fmt::format("{} has no element {}", object_name(object), index.as_int()));
  return runtime.undefined(fmt::format("{} has no such element", object_name(object)));
}

namespace {

// One bound of a slice, clamped as Python does.
std::int64_t slice_bound(Runtime& runtime, const Value& bound, std::int64_t size, std::int64_t step,
                         std::int64_t absent) {
  if (bound.is(Type::kNone)) return absent;
  if (!bound.is_integral())
    runtime.fail("slice indices must be integers or None or have an __index__ method");
  const std::int64_t low = step < 0 ? -1 : 0;
  const std::int64_t high = step < 0 ? size - 1 : size;
  std::int64_t at = bound.as_int();
  if (at < 0) at += size;
  return std::clamp(at, low, high < low ? low : high);
}

struct SlicePlan {
  std::int64_t start, stop, step, count;
};

SlicePlan plan_slice(Runtime& runtime, std::int64_t size, const Value& start, const Value& stop,
                     const Value& step) {
  std::int64_t by = 1;
  if (!step.is(Type::kNone)) {
    if (!step.is_integral())
      runtime.fail("slice indices must be integers or None or have an __index__ method");
    by = step.as_int();
    if (by == 0) runtime.fail("slice step cannot be zero");
    // No sequence is longer; this keeps the arithmetic below in range.
    constexpr std::int64_t kFar = std::int64_t{1} << 40;
    by = std::clamp(by, -kFar, kFar);
  }
  const std::int64_t from = slice_bound(runtime, start, size, by, by < 0 ? size - 1 : 0);
  const std::int64_t to = slice_bound(runtime, stop, size, by, by < 0 ? -1 : size);
  std::int64_t count = 0;
  if (by > 0 && to > from) count = (to - from + by - 1) / by;
  if (by < 0 && to < from) count = (from - to - by - 1) / -by;
  return {from, to, by, count};
}

Value slice_string(Runtime& runtime, const StringData& string, const SlicePlan& plan) {
  const std::string& bytes = string.text.bytes();
  runtime.step_bytes(bytes.size() * 4);
  std::vector<std::size_t> begins;  // of each code point, and the end; not for ASCII
  if (!string.ascii()) {
    for (std::size_t at = 0; at < bytes.size(); at += decode_at(bytes, at).bytes)
      begins.push_back(at);
    begins.push_back(bytes.size());
  }
  const auto offset = [&](std::int64_t at) {
    return begins.empty() ? static_cast<std::size_t>(at) : begins[static_cast<std::size_t>(at)];
  };
  TextBuilder out(runtime);
  if (plan.step == 1 && plan.count > 0) {
    const std::size_t begin = offset(plan.start);
    out.append(string.text, begin, offset(plan.start + plan.count) - begin);
  } else {
    runtime.step(static_cast<std::size_t>(plan.count));
    for (std::int64_t n = 0; n < plan.count; ++n) {
      const std::int64_t at = plan.start + n * plan.step;
      out.append(string.text, offset(at), offset(at + 1) - offset(at));
    }
  }
  return runtime.string(out.take(), string.markup);
}

}  // namespace

namespace {

Value slice_range(Runtime& runtime, const RangeData& range, const SlicePlan& plan) {
  // Bounds that lie beyond the range's own can overflow.
  const auto at = [&](std::int64_t index) {
    std::int64_t value = 0;
    if (__builtin_mul_overflow(range.step, index, &value) ||
        __builtin_add_overflow(range.start, value, &value))
      runtime.fail("a range does not fit 64 bits");
    return value;
  };
  std::int64_t step = 0;
  if (__builtin_mul_overflow(range.step, plan.step, &step))
    runtime.fail("a range does not fit 64 bits");
  return runtime.range(at(plan.start), at(plan.stop), step);
}

}  // namespace

Value get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
                const Value& step) {
  runtime.step();
  switch (object.type()) {
    case Type::kUndefined:
      fail_undefined(runtime, object);
    case Type::kString:
    case Type::kList:
    case Type::kTuple:
    case Type::kRange:
      break;
    default:
      runtime.fail(fmt::format("'{}' object is not subscriptable", type_name(object)));
  }
  const auto size = static_cast<std::int64_t>(length(runtime, object));
  const SlicePlan plan = plan_slice(runtime, size, start, stop, step);
  if (object.is(Type::kString)) return slice_string(runtime, object.get<StringData>(), plan);
  if (object.is(Type::kRange)) {
    return slice_range(runtime, object.get<RangeData>(), plan);
  }
  const Values& items = object.get<SequenceData>().items;
  Values part;
  part.reserve(static_cast<std::size_t>(plan.count));
  for (std::int64_t n = 0; n < plan.count; ++n)
    part.push_back(items[static_cast<std::size_t>(plan.start + n * plan.step)]);
  return object.is(Type::kList) ? runtime.list(std::move(part)) : runtime.tuple(std::move(part));
}

Value get_path(Runtime& runtime, const Value& object, const Value& path) {
  if (path.is(Type::kNone)) return object;
  if (!path.is(Type::kString)) return get_item(runtime, object, path);
  const std::string& text = path.get<StringData>().text.bytes();
  Value value = object;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('.', at), text.size());
    const std::string part = text.substr(at, end - at);
    const bool number =
        !part.empty() && part.size() < 18 &&
        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    value =
        get_item(runtime, value, number ? Value::integer(std::stoll(part)) : runtime.string(part));
    at = end + 1;
  }
  return value;
}

}  // namespace gpumodel::engine::text::jinja

#include "engine/text/jinja/operators.hpp"

#include <fmt/format.h>
#include <cmath>

#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

bool equal_items(Runtime& runtime, const Values& left, const Values& right) {
  if (left.size() != right.size()) return false;
  for (std::size_t at = 0; at < left.size(); ++at)
    if (!identical(left[at], right[at]) && !equal(runtime, left[at], right[at])) return false;
  return true;
}

bool equal_dicts(Runtime& runtime, const DictData& left, const DictData& right) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    const Value* other = dict_find(runtime, right, key);
    if (other == nullptr || !equal(runtime, value, *other)) return false;
  }
  return true;
}

bool equal_ranges(const RangeData& left, const RangeData& right) {
  if (left.length != right.length) return false;
  if (left.length == 0) return true;
  return left.start == right.start && (left.length == 1 || left.step == right.step);
}

bool equal_numbers(const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) return left.as_int() == right.as_int();
  return left.as_real() == right.as_real();
}

}  // namespace

std::string type_name(const Value& value) {
  switch (value.type()) {
    case Type::kUndefined:
      return "Undefined";
    case Type::kNone:
      return "NoneType";
    case Type::kBool:
      return "bool";
    case Type::kInt:
      return "int";
    case Type::kFloat:
      return "float";
    case Type::kString:
      return value.get<StringData>().markup ? "Markup" : "str";
    case Type::kList:
      return "list";
    case Type::kTuple:
      return "tuple";
    case Type::kDict:
      return "dict";
    case Type::kRange:
      return "range";
    case Type::kView:
      switch (value.get<ViewData>().part) {
        case ViewData::Part::kKeys:
          return "dict_keys";
        case ViewData::Part::kValues:
          return "dict_values";
        case ViewData::Part::kItems:
          return "dict_items";
      }
      break;
    case Type::kIterator:
      return "generator";
    case Type::kNamespace:
      return "Namespace";
    case Type::kFunction:
      return value.get<FunctionData>().macro ? "Macro" : "function";
    case Type::kLoop:
      return "LoopContext";
    case Type::kCycler:
      return "Cycler";
  }
  return "object";
}

void fail_undefined(Runtime& runtime, const Value& undefined) {
  if (undefined.identity() == nullptr) runtime.fail("the value is undefined");
  runtime.fail(undefined.get<UndefinedData>().message);
}

bool truthy(Runtime& runtime, const Value& value) {
  switch (value.type()) {
    case Type::kUndefined:
    case Type::kNone:
      return false;
    case Type::kBool:
    case Type::kInt:
      return value.as_int() != 0;
    case Type::kFloat:
      return value.as_real() != 0;
    case Type::kString:
    case Type::kList:
    case Type::kTuple:
    case Type::kDict:
    case Type::kRange:
    case Type::kView:
      return length(runtime, value) != 0;
    default:
      return true;
  }
}

bool identical(const Value& left, const Value& right) {
  if (left.type() != right.type()) return false;
  switch (left.type()) {
    case Type::kNone:
      return true;
    case Type::kBool:
    case Type::kInt:
      return left.as_int() == right.as_int();
    case Type::kFloat:
      return left.as_real() == right.as_real();
    default:
      return left.identity() == right.identity() && left.identity() != nullptr;
  }
}

bool equal(Runtime& runtime, const Value& left, const Value& right) {
  runtime.step();
  if (left.is_number() && right.is_number()) return equal_numbers(left, right);
  if (left.type() != right.type()) return false;
  switch (left.type()) {
    case Type::kUndefined:
    case Type::kNone:
      return true;
    case Type::kString: {
      const std::string& a = left.get<StringData>().text.bytes();
      const std::string& b = right.get<StringData>().text.bytes();
      runtime.step_bytes(std::min(a.size(), b.size()));
      return a == b;
    }
    case Type::kList:
    case Type::kTuple:
      return equal_items(runtime, left.get<SequenceData>().items, right.get<SequenceData>().items);
    case Type::kDict:
      return equal_dicts(runtime, left.get<DictData>(), right.get<DictData>());
    case Type::kRange:
      return equal_ranges(left.get<RangeData>(), right.get<RangeData>());
    default:
      return left.identity() == right.identity();
  }
}

bool less(Runtime& runtime, const Value& left, const Value& right, const char* op) {
  runtime.step();
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral()) return left.as_int() < right.as_int();
    return left.as_real() < right.as_real();
  }
  if (left.is(Type::kUndefined)) fail_undefined(runtime, left);
  if (right.is(Type::kUndefined)) fail_undefined(runtime, right);
  if (left.is(Type::kString) && right.is(Type::kString)) {
    // The order of UTF-8 bytes is the order of code points.
    runtime.step_bytes(left.get<StringData>().text.size());
    return left.get<StringData>().text.bytes() < right.get<StringData>().text.bytes();
  }
  if (left.type() == right.type() && (left.is(Type::kList) || left.is(Type::kTuple))) {
    const Values& a = left.get<SequenceData>().items;
    const Values& b = right.get<SequenceData>().items;
    for (std::size_t at = 0; at < std::min(a.size(), b.size()); ++at)
      if (!identical(a[at], b[at]) && !equal(runtime, a[at], b[at]))
        return less(runtime, a[at], b[at], op);
    return a.size() < b.size();
  }
  runtime.fail(fmt::format("'{}' not supported between instances of '{}' and '{}'", op,
                           type_name(left), type_name(right)));
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  switch (container.type()) {
    case Type::kString: {
      if (item.is(Type::kUndefined)) fail_undefined(runtime, item);
      if (!item.is(Type::kString))
        runtime.fail(
            fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
      const std::string& text = container.get<StringData>().text.bytes();
      runtime.step_bytes(text.size());
      return text.find(item.get<StringData>().text.bytes()) != std::string::npos;
    }
    case Type::kDict:
      return dict_find(runtime, container.get<DictData>(), item) != nullptr;
    case Type::kView:
      if (container.get<ViewData>().part == ViewData::Part::kKeys)
        return contains(runtime, container.get<ViewData>().dict, item);
      break;
    default:
      break;
  }
  if (!is_iterable(container))
    runtime.fail(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  for (const Value& each : iterate(runtime, container))
    if (identical(each, item) || equal(runtime, each, item)) return true;
  return false;
}

bool compare(Runtime& runtime, CompareOp op, const Value& left, const Value& right) {
  switch (op) {
    case CompareOp::kEqual:
      return equal(runtime, left, right);
    case CompareOp::kNotEqual:
      return !equal(runtime, left, right);
    case CompareOp::kLess:
      return less(runtime, left, right, "<");
    case CompareOp::kGreater:
      return less(runtime, right, left, ">");
    // Not the negation of less(): NaN has no order.
    case CompareOp::kLessEqual:
      return less(runtime, left, right, "<=") || equal(runtime, left, right);
    case CompareOp::kGreaterEqual:
      return less(runtime, right, left, ">=") || equal(runtime, left, right);
    case CompareOp::kIn:
      return contains(runtime, right, left);
    case CompareOp::kNotIn:
      return !contains(runtime, right, left);
  }
  return false;
}

}  // namespace gpumodel::engine::text::jinja

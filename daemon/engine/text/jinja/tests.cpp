// The tests half of filters.hpp.
#include <fmt/format.h>
#include <algorithm>

#include "engine/text/jinja/arguments.hpp"
#include "engine/text/jinja/filters.hpp"
#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/strings.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

struct TestEntry {
  std::string_view name;
  Test call;
};

template <Type... types>
bool has_type(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "test", given, {});
  return (value.is(types) || ...);
}

bool is_defined(Runtime& runtime, const Value& value, CallArguments& given) {
  return !has_type<Type::kUndefined>(runtime, value, given);
}

template <bool wanted>
bool is_boolean(Runtime& runtime, const Value& value, CallArguments& given) {
  return has_type<Type::kBool>(runtime, value, given) && value.as_bool() == wanted;
}

bool remainder_is(Runtime& runtime, const Value& value, const Value& divisor,
                  std::int64_t remainder) {
  return equal(runtime, arithmetic(runtime, BinaryOp::kModulo, value, divisor),
               Value::integer(remainder));
}

template <std::int64_t remainder>
bool has_parity(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "test", given, {});
  return remainder_is(runtime, value, Value::integer(2), remainder);
}

bool is_divisible(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "divisibleby", given, {"num"}, 1);
  return remainder_is(runtime, value, arguments[0], 0);
}

template <bool (*Accept)(const std::string&)>
bool has_case(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "test", given, {});
  return Accept(to_text(runtime, value).bytes());
}

template <CompareOp op>
bool compares(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "test", given, {"other"}, 1);
  return compare(runtime, op, value, arguments[0]);
}

bool is_same(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "sameas", given, {"other"}, 1);
  return identical(value, arguments[0]);
}

bool is_sequence(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "test", given, {});
  return has_length(value) && !value.is(Type::kView);
}

bool is_iterable_test(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "test", given, {});
  return is_iterable(value) || value.is(Type::kLoop);
}

bool is_escaped(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "test", given, {});
  return value.is(Type::kString) && value.get<StringData>().markup;
}

// Python: only a string can be the name of something.
template <class Function, Function (*Find)(std::string_view)>
bool is_known(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "test", given, {});
  if (value.is(Type::kList) || value.is(Type::kDict))
    runtime.fail(fmt::format("unhashable type: '{}'", type_name(value)));
  return value.is(Type::kString) && Find(value.get<StringData>().text.bytes()) != nullptr;
}

constexpr TestEntry kTests[] = {
    {"defined", is_defined},
    {"undefined", has_type<Type::kUndefined>},
    {"none", has_type<Type::kNone>},
    {"boolean", has_type<Type::kBool>},
    {"true", is_boolean<true>},
    {"false", is_boolean<false>},
    {"integer", has_type<Type::kInt>},
    {"float", has_type<Type::kFloat>},
    {"number", has_type<Type::kInt, Type::kFloat, Type::kBool>},
    {"string", has_type<Type::kString>},
    {"mapping", has_type<Type::kDict>},
    {"sequence", is_sequence},
    {"iterable", is_iterable_test},
    // Undefined has a __call__ too: the one that raises.
    {"callable", has_type<Type::kFunction, Type::kUndefined, Type::kLoop>},
    {"odd", has_parity<1>},
    {"even", has_parity<0>},
    {"divisibleby", is_divisible},
    {"lower", has_case<is_lower_text>},
    {"upper", has_case<is_upper_text>},
    {"sameas", is_same},
    {"escaped", is_escaped},
    {"filter", is_known<Filter, find_filter>},
    {"test", is_known<Test, find_test>},
    {"in", compares<CompareOp::kIn>},
    {"==", compares<CompareOp::kEqual>},
    {"eq", compares<CompareOp::kEqual>},
    {"equalto", compares<CompareOp::kEqual>},
    {"!=", compares<CompareOp::kNotEqual>},
    {"ne", compares<CompareOp::kNotEqual>},
    {">", compares<CompareOp::kGreater>},
    {"gt", compares<CompareOp::kGreater>},
    {"greaterthan", compares<CompareOp::kGreater>},
    {">=", compares<CompareOp::kGreaterEqual>},
    {"ge", compares<CompareOp::kGreaterEqual>},
    {"<", compares<CompareOp::kLess>},
    {"lt", compares<CompareOp::kLess>},
    {"lessthan", compares<CompareOp::kLess>},
    {"<=", compares<CompareOp::kLessEqual>},
    {"le", compares<CompareOp::kLessEqual>},
};

}  // namespace

Test find_test(std::string_view name) {
  for (const TestEntry& entry : kTests)
    if (entry.name == name) return entry.call;
  return nullptr;
}

}  // namespace gpumodel::engine::text::jinja

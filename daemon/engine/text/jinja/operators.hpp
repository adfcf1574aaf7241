// Python's operators over values: truth, equality, order, arithmetic, membership, iteration.
// All throw TemplateError with Python's reason. Origins never influence a comparison.
#pragma once

#include <string>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

enum class BinaryOp { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
enum class CompareOp { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

// Python's name of the type, as in its error messages.
std::string type_name(const Value& value);
[[noreturn]] void fail_undefined(Runtime& runtime, const Value& undefined);

bool truthy(Runtime& runtime, const Value& value);
bool equal(Runtime& runtime, const Value& left, const Value& right);
// left < right, where `op` names the operator in the error for types without an order.
bool less(Runtime& runtime, const Value& left, const Value& right, const char* op = "<");
bool contains(Runtime& runtime, const Value& container, const Value& item);
bool compare(Runtime& runtime, CompareOp op, const Value& left, const Value& right);
bool identical(const Value& left, const Value& right);

Value arithmetic(Runtime& runtime, BinaryOp op, const Value& left, const Value& right);
Value negate(Runtime& runtime, const Value& operand);
Value plus(Runtime& runtime, const Value& operand);

// len(); throws for what has none.
std::size_t length(Runtime& runtime, const Value& value);
bool has_length(const Value& value);
bool is_iterable(const Value& value);
// list(value). Uses up an iterator.
Values iterate(Runtime& runtime, const Value& value);
// next(iter(value)); false where there is none. Takes one item of an iterator.
bool first_item(Runtime& runtime, const Value& value, Value& item);
Value range_item(const RangeData& range, std::int64_t at);

}  // namespace gpumodel::engine::text::jinja

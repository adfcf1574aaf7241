// The arithmetic part of operators.hpp.
#include <fmt/format.h>
#include <cmath>
#include <limits>

#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

const char* symbol(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd:
      return "+";
    case BinaryOp::kSubtract:
      return "-";
    case BinaryOp::kMultiply:
      return "*";
    case BinaryOp::kDivide:
      return "/";
    case BinaryOp::kFloorDivide:
      return "//";
    case BinaryOp::kModulo:
      return "%";
    case BinaryOp::kPower:
      return "** or pow()";
  }
  return "?";
}

[[noreturn]] void fail_overflow(Runtime& runtime) {
  runtime.fail("an integer does not fit 64 bits, which is all that templates get here");
}

Value integer_power(Runtime& runtime, std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) runtime.fail("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  if (base == 0 || base == 1) return Value::integer(exponent == 0 ? 1 : base);
  if (base == -1) return Value::integer(exponent % 2 == 0 ? 1 : -1);
  std::int64_t result = 1;
  for (std::int64_t n = 0; n < exponent; ++n)
    if (__builtin_mul_overflow(result, base, &result)) fail_overflow(runtime);
  return Value::integer(result);
}

std::int64_t floor_divide(Runtime& runtime, std::int64_t left, std::int64_t right) {
  if (right == 0) runtime.fail("integer division or modulo by zero");
  if (right == -1) {
    std::int64_t negated = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, left, &negated)) fail_overflow(runtime);
    return negated;
  }
  const std::int64_t quotient = left / right;
  return left % right != 0 && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

Value integer_arithmetic(Runtime& runtime, BinaryOp op, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case BinaryOp::kAdd:
      overflow = __builtin_add_overflow(left, right, &result);
      break;
    case BinaryOp::kSubtract:
      overflow = __builtin_sub_overflow(left, right, &result);
      break;
    case BinaryOp::kMultiply:
      overflow = __builtin_mul_overflow(left, right, &result);
      break;
    case BinaryOp::kDivide:
      if (right == 0) runtime.fail("division by zero");
      return Value::real(static_cast<double>(left) / static_cast<double>(right));
    case BinaryOp::kFloorDivide:
      result = floor_divide(runtime, left, right);
      break;
    case BinaryOp::kModulo:
      if (right == 0) runtime.fail("integer modulo by zero");
      result = right == -1 ? 0 : left - floor_divide(runtime, left, right) * right;
      break;
    case BinaryOp::kPower:
      return integer_power(runtime, left, right);
  }
  if (overflow) fail_overflow(runtime);
  return Value::integer(result);
}

double real_modulo(double left, double right) {
  double result = std::fmod(left, right);
  if (result != 0) {
    if ((result < 0) != (right < 0)) result += right;
  } else {
    result = std::copysign(0.0, right);
  }
  return result;
}

double real_floor_divide(double left, double right) {
  const double modulo = real_modulo(left, right);
  const double quotient = (left - modulo) / right;
  if (quotient == 0) return std::copysign(0.0, left / right);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1.0 : floored;
}

Value real_arithmetic(Runtime& runtime, BinaryOp op, double left, double right) {
  switch (op) {
    case BinaryOp::kAdd:
      return Value::real(left + right);
    case BinaryOp::kSubtract:
      return Value::real(left - right);
    case BinaryOp::kMultiply:
      return Value::real(left * right);
    case BinaryOp::kDivide:
      if (right == 0) runtime.fail("float division by zero");
      return Value::real(left / right);
    case BinaryOp::kFloorDivide:
      if (right == 0) runtime.fail("float floor division by zero");
      return Value::real(real_floor_divide(left, right));
    case BinaryOp::kModulo:
      if (right == 0) runtime.fail("float modulo");
      return Value::real(real_modulo(left, right));
    case BinaryOp::kPower:
      break;
  }
  if (left == 0 && right < 0) runtime.fail("0.0 cannot be raised to a negative power");
  const double result = std::pow(left, right);
  if (std::isnan(result) && !std::isnan(left) && !std::isnan(right))
    runtime.fail("complex numbers are not supported");
  if (std::isinf(result) && !std::isinf(left) && !std::isinf(right))
    runtime.fail("Numerical result out of range");
  return Value::real(result);
}

// text * count and items * count.
Value repeat(Runtime& runtime, const Value& sequence, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (sequence.is(Type::kString)) {
    const auto& string = sequence.get<StringData>();
    if (times != 0 && string.text.size() > runtime.limits().string_bytes / times)
      runtime.check_string(std::numeric_limits<std::size_t>::max());
    TextBuilder builder(runtime);
    if (!string.text.empty()) {
      runtime.step(times / 8);
      for (std::size_t n = 0; n < times; ++n) builder.append(string.text);
    }
    return runtime.string(builder.take(), string.markup);
  }
  const Values& items = sequence.get<SequenceData>().items;
  if (times != 0 && items.size() > runtime.limits().elements / times)
    runtime.check_elements(std::numeric_limits<std::size_t>::max());
  if (!items.empty()) runtime.step(items.size() * times / 4);
  Values repeated;
  repeated.reserve(items.size() * times);
  if (!items.empty())
    for (std::size_t n = 0; n < times; ++n)
      repeated.insert(repeated.end(), items.begin(), items.end());
  return sequence.is(Type::kList) ? runtime.list(std::move(repeated))
                                  : runtime.tuple(std::move(repeated));
}

Value add_strings(Runtime& runtime, const StringData& left, const StringData& right) {
  const bool markup = left.markup || right.markup;
  TextBuilder builder(runtime);
  // Markup escapes what it is joined with.
  builder.append(markup && !left.markup ? escape_html(runtime, left.text) : left.text);
  builder.append(markup && !right.markup ? escape_html(runtime, right.text) : right.text);
  return runtime.string(builder.take(), markup);
}

bool is_sequence(const Value& value) {
  return value.is(Type::kString) || value.is(Type::kList) || value.is(Type::kTuple);
}

}  // namespace

Value arithmetic(Runtime& runtime, BinaryOp op, const Value& left, const Value& right) {
  runtime.step();
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral())
      return integer_arithmetic(runtime, op, left.as_int(), right.as_int());
    return real_arithmetic(runtime, op, left.as_real(), right.as_real());
  }
  if (op == BinaryOp::kModulo && left.is(Type::kString))
    return percent_format(runtime, left, right);
  if (left.is(Type::kUndefined)) fail_undefined(runtime, left);
  if (right.is(Type::kUndefined)) fail_undefined(runtime, right);
  if (op == BinaryOp::kAdd && left.type() == right.type() && is_sequence(left)) {
    if (left.is(Type::kString))
      return add_strings(runtime, left.get<StringData>(), right.get<StringData>());
    Values items = left.get<SequenceData>().items;
    const Values& more = right.get<SequenceData>().items;
    runtime.step((items.size() + more.size()) / 8);
    items.insert(items.end(), more.begin(), more.end());
    return left.is(Type::kList) ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
  }
  if (op == BinaryOp::kMultiply && is_sequence(left) && right.is_integral())
    return repeat(runtime, left, right.as_int());
  if (op == BinaryOp::kMultiply && is_sequence(right) && left.is_integral())
    return repeat(runtime, right, left.as_int());
  if (op == BinaryOp::kAdd && left.is(Type::kString))
    runtime.fail(fmt::format("can only concatenate str (not \"{}\") to str", type_name(right)));
  if (op == BinaryOp::kAdd && (left.is(Type::kList) || left.is(Type::kTuple)))
    runtime.fail(fmt::format("can only concatenate {} (not \"{}\") to {}", type_name(left),
                             type_name(right), type_name(left)));
  runtime.fail(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol(op),
                           type_name(left), type_name(right)));
}

Value negate(Runtime& runtime, const Value& operand) {
  if (operand.is(Type::kUndefined)) fail_undefined(runtime, operand);
  if (operand.is(Type::kFloat)) return Value::real(-operand.as_real());
  if (operand.is_integral())
    return integer_arithmetic(runtime, BinaryOp::kSubtract, 0, operand.as_int());
  runtime.fail(fmt::format("bad operand type for unary -: '{}'", type_name(operand)));
}

Value plus(Runtime& runtime, const Value& operand) {
  if (operand.is(Type::kUndefined)) fail_undefined(runtime, operand);
  if (operand.is(Type::kFloat)) return operand;
  if (operand.is_integral()) return Value::integer(operand.as_int());
  runtime.fail(fmt::format("bad operand type for unary +: '{}'", type_name(operand)));
}

}  // namespace gpumodel::engine::text::jinja

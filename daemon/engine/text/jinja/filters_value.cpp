// Filters over single values: defaults, numbers, attributes.
#include <fmt/format.h>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "engine/text/jinja/arguments.hpp"
#include "engine/text/jinja/attributes.hpp"
#include "engine/text/jinja/filters.hpp"
#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/strings.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

Value default_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "default", given, {"default_value", "boolean"});
  const bool absent =
      value.is(Type::kUndefined) || (arguments.flag(1, false) && !truthy(runtime, value));
  if (!absent) return value;
  return arguments.has(0) ? arguments[0] : runtime.string(std::string_view{});
}

Value attribute_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "attr", given, {"name"}, 1);
  const std::string& name = arguments.string(0, false)->bytes();
  // Unlike value.name it never falls back to an item, which only dicts have by name.
  const Value found = value.is(Type::kDict) ? find_method(runtime, value, name)
                                            : get_attribute(runtime, value, name);
  return found.is(Type::kUndefined)
             ? runtime.undefined(
                   fmt::format("'{} object' has no attribute '{}'", type_name(value), name))
             : found;
}

Value absolute_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "abs", given, {});
  if (value.is(Type::kFloat)) return Value::real(std::fabs(value.as_real()));
  if (!value.is_integral())
    runtime.fail(fmt::format("bad operand type for abs(): '{}'", type_name(value)));
  return value.as_int() < 0 ? negate(runtime, value) : plus(runtime, value);
}

// The text of a number without blanks around and underscores between digits; nothing where they are
// misplaced.
std::optional<std::string> number_text(Runtime& runtime, const Value& value) {
  const OriginText stripped = strip(runtime, value.get<StringData>().text, nullptr, Side::kBoth);
  std::string text;
  const std::string& bytes = stripped.bytes();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (bytes[at] != '_') {
      text.push_back(bytes[at]);
    } else if (at == 0 || at + 1 == bytes.size() ||
               std::isxdigit(static_cast<unsigned char>(bytes[at - 1])) == 0 ||
               std::isxdigit(static_cast<unsigned char>(bytes[at + 1])) == 0) {
      return std::nullopt;
    }
  }
  return text;
}

std::optional<double> parse_real(Runtime& runtime, const Value& value) {
  const auto text = number_text(runtime, value);
  if (!text || text->empty()) return std::nullopt;
  const bool negative = (*text)[0] == '-';
  std::string_view digits = *text;
  if (negative || digits[0] == '+') digits.remove_prefix(1);
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  double real = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), real);
  if (end != digits.data() + digits.size() || digits.find('(') != std::string_view::npos)
    return std::nullopt;
  if (error == std::errc::result_out_of_range)
    real = std::strtod(std::string(digits).c_str(), nullptr);
  else if (error != std::errc{})
    return std::nullopt;
  return negative ? -real : real;
}

std::optional<std::int64_t> parse_integer(Runtime& runtime, const Value& value, std::int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  const auto text = number_text(runtime, value);
  if (!text) return std::nullopt;
  std::string_view digits = *text;
  const bool negative = !digits.empty() && digits[0] == '-';
  if (!digits.empty() && (negative || digits[0] == '+')) digits.remove_prefix(1);
  if (digits.size() > 2 && digits[0] == '0') {
    const char letter = static_cast<char>(digits[1] | 0x20);
    const int prefix = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (prefix != 0 && (base == prefix || base == 0)) {
      base = prefix;
      digits.remove_prefix(2);
    }
  }
  if (base == 0) base = 10;
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude,
                                            static_cast<int>(base));
  if (end != digits.data() + digits.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range ||
      magnitude > (std::uint64_t{1} << 63) - (negative ? 0 : 1))
    runtime.fail("an integer does not fit 64 bits, which is all that templates get here");
  if (error != std::errc{}) return std::nullopt;
  return static_cast<std::int64_t>(negative ? ~magnitude + 1 : magnitude);
}

std::int64_t truncate_real(Runtime& runtime, double real) {
  constexpr double kLimit = 9223372036854775808.0;
  if (!(real >= -kLimit && real < kLimit))
    runtime.fail("a float does not fit an integer of 64 bits");
  return static_cast<std::int64_t>(real);
}

Value integer_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "int", given, {"default", "base"});
  const Value absent = arguments.has(0) ? arguments[0] : Value::integer(0);
  if (value.is(Type::kUndefined)) fail_undefined(runtime, value);
  if (value.is_integral()) return Value::integer(value.as_int());
  if (value.is(Type::kFloat)) {
    if (std::isnan(value.as_real())) return absent;
    if (std::isinf(value.as_real())) runtime.fail("cannot convert float infinity to integer");
    return Value::integer(truncate_real(runtime, value.as_real()));
  }
  if (!value.is(Type::kString)) return absent;
  if (const auto integer = parse_integer(runtime, value, arguments.integer(1, 10)))
    return Value::integer(*integer);
  const auto real = parse_real(runtime, value);
  if (!real || !std::isfinite(*real)) return absent;
  return Value::integer(truncate_real(runtime, *real));
}

Value real_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "float", given, {"default"});
  if (value.is(Type::kUndefined)) fail_undefined(runtime, value);
  if (value.is_number()) return Value::real(value.as_real());
  if (value.is(Type::kString))
    if (const auto real = parse_real(runtime, value)) return Value::real(*real);
  return arguments.has(0) ? arguments[0] : Value::real(0.0);
}

// Half to even, as round() does with a negative number of digits.
Value round_integer(Runtime& runtime, std::int64_t value, std::int64_t precision) {
  if (precision >= 0) return Value::integer(value);
  if (precision < -18) return Value::integer(0);
  std::int64_t unit = 1;
  for (std::int64_t n = 0; n > precision; --n) unit *= 10;
  const std::int64_t down = value / unit - (value % unit < 0 ? 1 : 0);
  const std::int64_t rest = value - down * unit;
  const bool up = rest > unit - rest || (rest == unit - rest && down % 2 != 0);
  return arithmetic(runtime, BinaryOp::kMultiply, Value::integer(down + (up ? 1 : 0)),
                    Value::integer(unit));
}

double round_real(Runtime& runtime, double value, std::int64_t precision) {
  constexpr std::int64_t kMostDigits = 323;
  if (!std::isfinite(value) || precision > kMostDigits) return value;
  if (precision < -308) return std::copysign(0.0, value);
  if (precision >= 0)
    return std::strtod(real_digits(runtime, value, 'f', static_cast<int>(precision), false).c_str(),
                       nullptr);
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(value / unit) * unit;
}

Value round_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "round", given, {"precision", "method"});
  const OriginText* method = arguments.string(1, false);
  const std::string how = method == nullptr ? "common" : method->bytes();
  if (how != "common" && how != "ceil" && how != "floor")
    runtime.fail("method must be common, ceil or floor");
  if (value.is(Type::kUndefined)) fail_undefined(runtime, value);
  if (!value.is_number())
    runtime.fail(fmt::format("type {} doesn't define __round__ method", type_name(value)));
  const std::int64_t precision = arguments.integer(0, 0);
  if (how == "common") {
    if (value.is_integral()) return round_integer(runtime, value.as_int(), precision);
    return Value::real(round_real(runtime, value.as_real(), precision));
  }
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.as_real() * unit;
  if (!std::isfinite(scaled) || unit == 0) runtime.fail("cannot convert float infinity to integer");
  return Value::real((how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

constexpr FilterEntry kValueFilters[] = {
    {"default", default_filter}, {"d", default_filter},   {"attr", attribute_filter},
    {"abs", absolute_filter},    {"int", integer_filter}, {"float", real_filter},
    {"round", round_filter},
};

}  // namespace

std::span<const FilterEntry> value_filters() { return kValueFilters; }

}  // namespace gpumodel::engine::text::jinja

#include "broker/quantities.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace gpumodel::broker {
namespace {

struct Quantity {
  double number = 0;
  std::string_view unit;
};

std::optional<Quantity> split(std::string_view text) {
  Quantity out;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), out.number, std::chars_format::fixed);
  if (error != std::errc{} || text.front() == '-') return std::nullopt;
  out.unit = text.substr(static_cast<std::size_t>(end - text.data()));
  out.unit.remove_prefix(std::min(out.unit.find_first_not_of(' '), out.unit.size()));
  return out;
}

constexpr std::string_view kPrefixes = "KMGT";
constexpr double kMostBytes = 1ull << 60;
constexpr double kMostMilliseconds = 10.0 * 365 * 24 * 3600 * 1000;

std::optional<double> unit_bytes(std::string_view unit) {
  if (unit == "B") return 1;
  if (unit.size() != 1 && !(unit.size() == 3 && unit.substr(1) == "iB")) return std::nullopt;
  const std::size_t power = kPrefixes.find(unit.front());
  if (power == std::string_view::npos) return std::nullopt;
  return static_cast<double>(1ull << (10 * (power + 1)));
}

std::optional<double> unit_milliseconds(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s") return 1000;
  if (unit == "m") return 60'000;
  if (unit == "h") return 3'600'000;
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto quantity = split(text);
  if (!quantity) return std::nullopt;
  const auto unit = unit_bytes(quantity->unit);
  if (!unit || !(quantity->number * *unit <= kMostBytes)) return std::nullopt;
  return static_cast<std::uint64_t>(quantity->number * *unit);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto quantity = split(text);
  if (!quantity) return std::nullopt;
  const auto unit = unit_milliseconds(quantity->unit);
  if (!unit || !(quantity->number * *unit <= kMostMilliseconds)) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(quantity->number * *unit));
}

std::string format_size(std::uint64_t bytes) {
  std::size_t power = 0;
  double value = static_cast<double>(bytes);
  while (value >= 1024 && power < kPrefixes.size()) {
    value /= 1024;
    ++power;
  }
  if (power == 0) return fmt::format("{} B", bytes);
  const bool whole = value == static_cast<double>(static_cast<std::uint64_t>(value));
  return whole ? fmt::format("{:.0f} {}iB", value, kPrefixes[power - 1])
               : fmt::format("{:.1f} {}iB", value, kPrefixes[power - 1]);
}

}  // namespace gpumodel::broker

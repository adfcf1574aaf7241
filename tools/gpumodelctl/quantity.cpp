#include "gpumodelctl/quantity.hpp"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "gpumodelctl/failure.hpp"

namespace gpumodelctl {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array kByteUnits{Unit{"", 1},         Unit{"B", 1},        Unit{"K", 0x1p10},
                                Unit{"KiB", 0x1p10}, Unit{"M", 0x1p20},   Unit{"MiB", 0x1p20},
                                Unit{"G", 0x1p30},   Unit{"GiB", 0x1p30}, Unit{"T", 0x1p40},
                                Unit{"TiB", 0x1p40}};
constexpr std::array kTimeUnits{Unit{"", 1e3},  Unit{"ms", 1},    Unit{"s", 1e3},
                                Unit{"m", 6e4}, Unit{"h", 3.6e6}, Unit{"d", 8.64e7}};
// Whole numbers up to here survive the way through a double.
constexpr double kMost = 0x1p53;

// A number, blanks, a unit; nothing where `text` is something else, or not in 1 to kMost.
template <std::size_t N>
std::optional<std::uint64_t> parse(const std::string& text, const std::array<Unit, N>& units) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
  std::string_view name(rest, static_cast<std::size_t>(end - rest));
  name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
  for (const Unit& unit : units) {
    const double value = number * unit.factor;
    if (name == unit.name && value >= 1 && value <= kMost)
      return static_cast<std::uint64_t>(std::llround(value));
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t parse_bytes(const std::string& option, const std::string& text) {
  if (const auto value = parse(text, kByteUnits)) return *value;
  throw usage_failure(
      fmt::format("{} takes a size such as 40G, 512 MiB or 4096, not \"{}\"", option, text));
}

std::uint64_t parse_ms(const std::string& option, const std::string& text) {
  if (const auto value = parse(text, kTimeUnits)) return *value;
  throw usage_failure(
      fmt::format("{} takes a time such as 90s, 10m or 2h, not \"{}\"", option, text));
}

}  // namespace gpumodelctl

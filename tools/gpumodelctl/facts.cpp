#include "gpumodelctl/facts.hpp"

#include <chrono>
#include <ctime>

#include "gpumodelctl/format.hpp"

namespace gpumodelctl {

using nlohmann::ordered_json;

const ordered_json& at(const ordered_json& map, const char* key) {
  static const ordered_json none;
  const auto found = map.is_object() ? map.find(key) : map.end();
  return map.is_object() && found != map.end() ? *found : none;
}

std::uint64_t number(const ordered_json& value) {
  const bool is_whole = value.is_number_integer() && (value.is_number_unsigned() || value >= 0);
  return is_whole ? value.get<std::uint64_t>() : 0;
}

std::string words(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "-" : value.dump();
}

std::string bytes(const ordered_json& value) {
  return value.is_number() ? format_bytes(value.get<std::uint64_t>()) : "-";
}

std::string time(const ordered_json& value) {
  return value.is_number() ? format_ms(value.get<std::uint64_t>()) : "-";
}

std::string joined(const ordered_json& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + words(name);
  return out.empty() ? "-" : out;
}

std::string wall_time(const ordered_json& value) {
  if (!value.is_number()) return "-";
  const std::time_t seconds = static_cast<std::time_t>(value.get<std::int64_t>() / 1000);
  std::tm local = {};
  char text[32];
  if (localtime_r(&seconds, &local) == nullptr) return "-";
  return {text, std::strftime(text, sizeof text, "%F %T", &local)};
}

std::int64_t unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace gpumodelctl

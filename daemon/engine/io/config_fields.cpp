#include "engine/io/config_fields.hpp"

#include <cmath>
#include <limits>

#include "engine/io/bad_model.hpp"
#include "engine/io/json.hpp"
#include "engine/io/printable.hpp"

namespace gpumodel::engine::io {
namespace {

constexpr std::size_t kMaxTokenIds = 64;
constexpr std::int64_t kMaxTokenId = std::numeric_limits<std::int32_t>::max();

}  // namespace

std::string shown_value(const nlohmann::json& value) {
  if (value.is_structured()) return value.is_array() ? "an array" : "an object";
  return printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

ConfigFields::ConfigFields(std::string_view text, std::string file)
    : object_(parse_json(text, file)), file_(std::move(file)) {
  if (!object_.is_object()) throw BadModel(file_, "is not a JSON object");
}

ConfigFields::ConfigFields(nlohmann::json object, std::string file, std::string prefix)
    : object_(std::move(object)), file_(std::move(file)), prefix_(std::move(prefix)) {}

void ConfigFields::fail(const std::string& key, const std::string& what) const {
  throw BadModel(file_, prefix_ + key + " " + what);
}

void ConfigFields::unsupported(const std::string& key, const std::string& value) const {
  fail(key, value + " is not supported");
}

const nlohmann::json* ConfigFields::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool ConfigFields::is_null(const char* key) const {
  const auto found = object_.find(key);
  return found != object_.end() && found->is_null();
}

std::optional<std::int64_t> ConfigFields::integer(const char* key, std::int64_t low,
                                                  std::int64_t high) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  const bool fits = value->is_number_unsigned()
                        ? value->get<std::uint64_t>() <= static_cast<std::uint64_t>(high)
                        : value->is_number_integer();
  if (!fits || value->get<std::int64_t>() < low || value->get<std::int64_t>() > high) {
    fail(key, "is " + shown_value(*value) + ", expected a whole number from " +
                  std::to_string(low) + " to " + std::to_string(high));
  }
  return value->get<std::int64_t>();
}

std::int64_t ConfigFields::required_integer(const char* key, std::int64_t low,
                                            std::int64_t high) const {
  const std::optional<std::int64_t> value = integer(key, low, high);
  if (!value) fail(key, "is missing");
  return *value;
}

std::optional<double> ConfigFields::number(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || !std::isfinite(value->get<double>())) {
    fail(key, "is " + shown_value(*value) + ", expected a number");
  }
  return value->get<double>();
}

std::optional<double> ConfigFields::number(const char* key, double low, double high) const {
  const std::optional<double> value = number(key);
  if (value && !(*value >= low && *value <= high)) {
    fail(key, "is " + shown_value(*find(key)) + ", expected a number from " +
                  shown_value(nlohmann::json(low)) + " to " + shown_value(nlohmann::json(high)));
  }
  return value;
}

double ConfigFields::required_number(const char* key, double low, double high) const {
  const std::optional<double> value = number(key, low, high);
  if (!value) fail(key, "is missing");
  return *value;
}

std::vector<double> ConfigFields::required_numbers(const char* key, std::size_t count, double low,
                                                   double high) const {
  const nlohmann::json* list = find(key);
  if (list == nullptr) fail(key, "is missing");
  if (!list->is_array() || list->size() != count) {
    fail(key, "is not an array of " + std::to_string(count) + " numbers");
  }
  std::vector<double> values;
  for (const nlohmann::json& value : *list) {
    if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high)) {
      fail(key, "has " + shown_value(value) + ", expected numbers from " +
                    shown_value(nlohmann::json(low)) + " to " + shown_value(nlohmann::json(high)));
    }
    values.push_back(value.get<double>());
  }
  return values;
}

std::optional<ConfigFields> ConfigFields::object(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) fail(key, "is " + shown_value(*value) + ", expected an object");
  return ConfigFields(*value, file_, prefix_ + key + ".");
}

std::optional<bool> ConfigFields::boolean(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fail(key, "is " + shown_value(*value) + ", expected true or false");
  return value->get<bool>();
}

std::optional<std::string> ConfigFields::text(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail(key, "is " + shown_value(*value) + ", expected a string");
  return value->get<std::string>();
}

std::vector<std::int32_t> ConfigFields::token_ids(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return {};
  const nlohmann::json list = value->is_array() ? *value : nlohmann::json::array({*value});
  if (list.size() > kMaxTokenIds) {
    fail(key, "has more than " + std::to_string(kMaxTokenIds) + " token ids");
  }
  std::vector<std::int32_t> ids;
  for (const nlohmann::json& id : list) {
    const bool fits = id.is_number_unsigned() &&
                      id.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMaxTokenId);
    if (!fits) fail(key, "has " + shown_value(id) + ", which is no token id");
    ids.push_back(static_cast<std::int32_t>(id.get<std::uint64_t>()));
  }
  return ids;
}

}  // namespace gpumodel::engine::io

#include "engine/text/json_node.hpp"

#include <fmt/core.h>

#include "engine/io/bad_model.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {
namespace {

const nlohmann::json kNull;
constexpr std::size_t kMaxShownBytes = 80;

std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > kMaxShownBytes) text = text.substr(0, kMaxShownBytes) + "...";
  return text;
}

}  // namespace

void JsonNode::fail(std::string_view reason) const {
  throw BadModel(file_, path_.empty() ? std::string(reason) : fmt::format("{}: {}", path_, reason));
}

void JsonNode::unsupported(std::string_view key) const {
  const JsonNode node = at(key);
  node.fail(fmt::format("{} is not supported", shown(*node.value_)));
}

void JsonNode::expect_object() const {
  if (!value_->is_object()) fail("expected an object");
}

bool JsonNode::has(std::string_view key) const { return !at(key).is_null(); }

JsonNode JsonNode::at(std::string_view key) const {
  expect_object();
  const auto found = value_->find(key);
  return {found != value_->end() ? *found : kNull, file_,
          path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key)};
}

std::vector<JsonNode> JsonNode::items() const {
  if (!value_->is_array()) fail("expected an array");
  std::vector<JsonNode> nodes;
  nodes.reserve(value_->size());
  for (const nlohmann::json& item : *value_) {
    nodes.emplace_back(item, file_, fmt::format("{}[{}]", path_, nodes.size()));
  }
  return nodes;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
  expect_object();
  std::vector<std::pair<std::string, JsonNode>> nodes;
  for (const auto& [key, value] : value_->items()) nodes.emplace_back(key, at(key));
  return nodes;
}

std::string JsonNode::string() const {
  if (!value_->is_string()) fail("expected a string");
  return value_->get<std::string>();
}

bool JsonNode::boolean() const {
  if (!value_->is_boolean()) fail("expected true or false");
  return value_->get<bool>();
}

bool JsonNode::boolean(std::string_view key, bool absent) const {
  const JsonNode node = at(key);
  return node.is_null() ? absent : node.boolean();
}

std::int64_t JsonNode::integer(std::int64_t low, std::int64_t high) const {
  const auto expected = [&] { fail(fmt::format("expected a whole number {} to {}", low, high)); };
  if (!value_->is_number_integer()) expected();
  if (value_->is_number_unsigned() &&
      value_->get<std::uint64_t>() > static_cast<std::uint64_t>(high)) {
    expected();
  }
  const auto value = value_->get<std::int64_t>();
  if (value < low || value > high) expected();
  return value;
}

double JsonNode::number() const {
  if (!value_->is_number()) fail("expected a number");
  return value_->get<double>();
}

char32_t JsonNode::character() const {
  const std::string text = string();
  std::size_t offset = 0;
  const char32_t c = text.empty() ? 0 : next_code_point(text, offset);
  if (text.empty() || offset != text.size()) fail("expected a string of one character");
  return c;
}

}  // namespace gpumodel::engine::text

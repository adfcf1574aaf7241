// Typed access to a JSON document from a model folder, with errors that name the field.
#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpumodel::engine::text {

// A borrowed value and its path ("pre_tokenizer.pretokenizers[0]") within `file`. A key that is
// missing and one that is null are the same. Everything that does not fit throws BadModel.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, std::string file, std::string path = "")
      : value_(&value), file_(std::move(file)), path_(std::move(path)) {}

  [[noreturn]] void fail(std::string_view reason) const;
  // "... is not supported", for the value of `key`.
  [[noreturn]] void unsupported(std::string_view key) const;

  bool is_null() const { return value_->is_null(); }
  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  bool has(std::string_view key) const;

  JsonNode at(std::string_view key) const;                        // a null node where missing
  std::vector<JsonNode> items() const;                            // of an array
  std::vector<std::pair<std::string, JsonNode>> members() const;  // of an object

  std::string string() const;
  bool boolean() const;
  std::int64_t integer(std::int64_t low, std::int64_t high) const;
  double number() const;
  char32_t character() const;  // a string of exactly one character

  std::string string(std::string_view key) const { return at(key).string(); }
  bool boolean(std::string_view key, bool absent) const;
  std::string type() const { return string("type"); }

 private:
  void expect_object() const;

  const nlohmann::json* value_;
  std::string file_;
  std::string path_;
};

}  // namespace gpumodel::engine::text

// Typed, range-checked access to one JSON object of a configuration file.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace gpumodel::engine::io {

// A key that is null counts as absent, as in transformers. All throw BadModel about the file.
class ConfigFields {
 public:
  // The text of a file whose JSON must be an object.
  ConfigFields(std::string_view text, std::string file);
  // An object inside another, named in messages by `prefix` ("rope_parameters.").
  ConfigFields(nlohmann::json object, std::string file, std::string prefix);

  bool has(const char* key) const { return find(key) != nullptr; }
  // Null where absent.
  const nlohmann::json* find(const char* key) const;
  // Whether the key is there and says null, where that differs from saying nothing.
  bool is_null(const char* key) const;

  std::optional<std::int64_t> integer(const char* key, std::int64_t low, std::int64_t high) const;
  std::int64_t required_integer(const char* key, std::int64_t low, std::int64_t high) const;
  std::optional<double> number(const char* key) const;
  // The same, at least `low` and at most `high`.
  std::optional<double> number(const char* key, double low, double high) const;
  double required_number(const char* key, double low, double high) const;
  // An array of exactly `count` such numbers.
  std::vector<double> required_numbers(const char* key, std::size_t count, double low,
                                       double high) const;
  // The object at the key, by its own name in messages; none where absent.
  std::optional<ConfigFields> object(const char* key) const;
  std::optional<bool> boolean(const char* key) const;
  std::optional<std::string> text(const char* key) const;
  // eos_token_id and its like: an integer or an array of them, at most 64, each a 31-bit token id.
  std::vector<std::int32_t> token_ids(const char* key) const;

  [[noreturn]] void fail(const std::string& key, const std::string& what) const;
  [[noreturn]] void unsupported(const std::string& key, const std::string& value) const;

  const std::string& file() const { return file_; }
  const nlohmann::json& json() const { return object_; }

 private:
  nlohmann::json object_;
  std::string file_;
  std::string prefix_;
};

// A value as it stands in the file, short enough for a message.
std::string shown_value(const nlohmann::json& value);

}  // namespace gpumodel::engine::io

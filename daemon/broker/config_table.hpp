// One table of the configuration, key by key: what is asked for is known, the rest is a mistake.
#pragma once

#define TOML_HEADER_ONLY 0
#include <toml++/toml.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpumodel::broker {

// Collects every mistake of a file, to be told together.
class Mistakes {
 public:
  explicit Mistakes(std::string file) : file_(std::move(file)) {}

  void add(toml::source_index line, std::string_view key, std::string_view text);
  // Throws ConfigError in the order of lines if there is any.
  void throw_if_any();

  // Keys that a table was asked for, by their paths.
  void note_known(std::string path) { known_.push_back(std::move(path)); }
  std::vector<std::string> take_known() { return std::move(known_); }

 private:
  std::string file_;
  std::vector<std::pair<toml::source_index, std::string>> found_;
  std::vector<std::string> known_;
};

// Every getter leaves nothing where the key is absent, and where its value is wrong (a mistake
// then).
class ConfigTable {
 public:
  ConfigTable(const toml::table& table, std::string section, Mistakes& mistakes)
      : table_(table), section_(std::move(section)), mistakes_(mistakes) {}

  std::optional<std::string> text(std::string_view key);
  std::optional<std::uint64_t> size(std::string_view key);
  std::optional<std::chrono::milliseconds> duration(std::string_view key);
  // A duration, or nothing within for "never".
  std::optional<std::optional<std::chrono::milliseconds>> duration_or_never(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::uint32_t> integer(std::string_view key, std::uint32_t least,
                                       std::uint32_t most);
  // A number above `least`, up to `most`.
  std::optional<double> number(std::string_view key, double least, double most);
  std::optional<std::vector<std::string>> texts(std::string_view key);
  // true, false or a duration.
  struct Switch {
    std::optional<bool> on;
    std::chrono::milliseconds duration{0};
  };
  std::optional<Switch> switch_or_duration(std::string_view key);

  // A key that this version does not serve: only its default is accepted.
  void unserved(std::string_view key, bool is_default);

  // The node itself, noted as known; nullptr where absent.
  const toml::node* find(std::string_view key);
  // A mistake about the value of `key`.
  void wrong(std::string_view key, std::string_view text);
  // Every key that nobody asked for is a mistake, with the nearest that somebody did.
  void finish();

  std::string path_of(std::string_view key) const;

 private:
  const toml::table& table_;
  std::string section_;
  Mistakes& mistakes_;
  std::vector<std::string_view> known_;
};

}  // namespace gpumodel::broker

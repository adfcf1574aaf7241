#include "broker/config_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "broker/config.hpp"
#include "broker/near_names.hpp"
#include "broker/quantities.hpp"

namespace gpumodel::broker {
namespace {

// The value as it stands in the file, cut.
std::string shown(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  std::ostringstream out;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_value<decltype(value)>) out << value;
  });
  std::string text = out.str();
  if (text.size() > 60) text.replace(60, std::string::npos, "...");
  return text;
}

// 0 is the same in every unit.
bool is_zero(const toml::node& node) {
  const auto* integer = node.as_integer();
  return integer != nullptr && integer->get() == 0;
}

}  // namespace

void Mistakes::add(toml::source_index line, std::string_view key, std::string_view text) {
  found_.emplace_back(line, fmt::format("{}:{}: {}: {}", file_, line, key, text));
}

void Mistakes::throw_if_any() {
  if (found_.empty()) return;
  std::stable_sort(found_.begin(), found_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (const auto& [line, mistake] : found_) text += (text.empty() ? "" : "\n") + mistake;
  throw ConfigError(std::move(text));
}

std::string ConfigTable::path_of(std::string_view key) const {
  return section_.empty() ? std::string(key) : fmt::format("{}.{}", section_, key);
}

const toml::node* ConfigTable::find(std::string_view key) {
  known_.push_back(key);
  return table_.get(key);
}

void ConfigTable::wrong(std::string_view key, std::string_view text) {
  const toml::node* node = table_.get(key);
  const auto line = node != nullptr ? node->source().begin.line : table_.source().begin.line;
  mistakes_.add(line, path_of(key), text);
}

std::optional<std::string> ConfigTable::text(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto* value = node->as_string();
  if (value == nullptr || value->get().empty()) {
    wrong(key, fmt::format("expected a text that is not empty, not {}", shown(*node)));
    return std::nullopt;
  }
  return value->get();
}

std::optional<std::uint64_t> ConfigTable::size(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (is_zero(*node)) return 0;
  const auto* value = node->as_string();
  auto parsed = value != nullptr ? parse_size(value->get()) : std::nullopt;
  if (!parsed)
    wrong(key, fmt::format("expected a size such as \"4 GiB\" (units B, K, M, G, T), not {}",
                           shown(*node)));
  return parsed;
}

std::optional<std::chrono::milliseconds> ConfigTable::duration(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (is_zero(*node)) return std::chrono::milliseconds(0);
  const auto* value = node->as_string();
  auto parsed = value != nullptr ? parse_duration(value->get()) : std::nullopt;
  if (!parsed)
    wrong(key, fmt::format("expected a duration such as \"30s\" (units ms, s, m, h), not {}",
                           shown(*node)));
  return parsed;
}

std::optional<std::optional<std::chrono::milliseconds>> ConfigTable::duration_or_never(
    std::string_view key) {
  using Duration = std::optional<std::chrono::milliseconds>;
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (is_zero(*node)) return Duration(0);
  const auto* value = node->as_string();
  if (value != nullptr && value->get() == "never") return Duration();
  const auto parsed = value != nullptr ? parse_duration(value->get()) : std::nullopt;
  if (parsed) return Duration(*parsed);
  wrong(key, fmt::format("expected \"never\" or a duration such as \"30s\" (units ms, s, m, h), "
                         "not {}",
                         shown(*node)));
  return std::nullopt;
}

std::optional<bool> ConfigTable::boolean(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = node->as_boolean()) return value->get();
  wrong(key, fmt::format("expected true or false, not {}", shown(*node)));
  return std::nullopt;
}

std::optional<std::uint32_t> ConfigTable::integer(std::string_view key, std::uint32_t least,
                                                  std::uint32_t most) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto* value = node->as_integer();
  if (value != nullptr && value->get() >= least && value->get() <= most)
    return static_cast<std::uint32_t>(value->get());
  wrong(key,
        fmt::format("expected a whole number from {} to {}, not {}", least, most, shown(*node)));
  return std::nullopt;
}

std::optional<double> ConfigTable::number(std::string_view key, double least, double most) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value<double>();
  if (node->is_number() && value && *value > least && *value <= most) return value;
  wrong(key,
        fmt::format("expected a number above {} and up to {}, not {}", least, most, shown(*node)));
  return std::nullopt;
}

std::optional<std::vector<std::string>> ConfigTable::texts(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto* array = node->as_array();
  std::vector<std::string> out;
  bool good = array != nullptr;
  if (good)
    for (const toml::node& item : *array) {
      const auto* value = item.as_string();
      if (value == nullptr || value->get().empty()) {
        good = false;
        break;
      }
      out.push_back(value->get());
    }
  if (good) return out;
  wrong(key, fmt::format("expected an array of texts, not {}",
                         array != nullptr ? "one with other values" : shown(*node)));
  return std::nullopt;
}

std::optional<ConfigTable::Switch> ConfigTable::switch_or_duration(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = node->as_boolean()) return Switch{value->get(), {}};
  const auto* text = node->as_string();
  if (text != nullptr)
    if (const auto parsed = parse_duration(text->get())) return Switch{std::nullopt, *parsed};
  wrong(key, fmt::format(
                 "expected true, false or a duration such as \"10m\" (units ms, s, m, h), not {}",
                 shown(*node)));
  return std::nullopt;
}

void ConfigTable::unserved(std::string_view key, bool is_default) {
  if (find(key) != nullptr && !is_default)
    wrong(key, "not supported yet: this version accepts only the default; remove the key");
}

void ConfigTable::finish() {
  std::sort(known_.begin(), known_.end());
  for (const std::string_view key : known_) mistakes_.note_known(path_of(key));
  for (const auto& [key, node] : table_) {
    if (std::binary_search(known_.begin(), known_.end(), key.str())) continue;
    const auto near = near_names(key.str(), known_, 1);
    const std::string hint = near.empty() ? fmt::format("known here: {}", fmt::join(known_, ", "))
                                          : fmt::format("did you mean \"{}\"?", near.front());
    mistakes_.add(key.source().begin.line, path_of(key.str()), "unknown key; " + hint);
  }
}

}  // namespace gpumodel::broker

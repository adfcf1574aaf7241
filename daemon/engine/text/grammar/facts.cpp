#include "engine/text/grammar/facts.hpp"

#include <algorithm>

#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text::grammar {

Goals ArrayFacts::goals_at(std::uint64_t index) const {
  Goals goals;
  for (const Layer& layer : layers) {
    const Schema* schema = index < layer.prefix.size() ? layer.prefix[index] : layer.rest;
    if (schema != nullptr) goals.insert({schema});
  }
  for (const auto& [place, goal] : items)
    if (place == index) goals.insert(goal);
  return goals;
}

std::uint64_t ArrayFacts::distinct_places() const {
  std::uint64_t places = 0;
  for (const Layer& layer : layers) places = std::max<std::uint64_t>(places, layer.prefix.size());
  for (const auto& [place, goal] : items) places = std::max(places, place + 1);
  return places;
}

void ObjectFacts::require(const std::string& key) {
  if (!requires_key(key)) required.push_back(key);
}

bool ObjectFacts::requires_key(const std::string& key) const {
  return std::find(required.begin(), required.end(), key) != required.end();
}

unsigned kind_of(const ordered_json& value) {
  switch (value.type()) {
    case ordered_json::value_t::null:
      return kNull;
    case ordered_json::value_t::boolean:
      return kBoolean;
    case ordered_json::value_t::string:
      return kString;
    case ordered_json::value_t::array:
      return kArray;
    case ordered_json::value_t::object:
      return kObject;
    default:
      break;
  }
  const std::optional<Decimal> number = Decimal::from(value);
  if (!number)
    throw Refusal(Refusal::Kind::unsupported,
                  "the number " + value.dump() + " is too large to be read exactly");
  return number->is_integer() ? kInteger : kFraction;
}

unsigned kinds_named(const ordered_json& type) {
  if (type.is_array()) {
    unsigned kinds = 0;
    for (const ordered_json& one : type) kinds |= kinds_named(one);
    return kinds;
  }
  const auto& name = type.get_ref<const std::string&>();
  if (name == "null") return kNull;
  if (name == "boolean") return kBoolean;
  if (name == "integer") return kInteger;
  if (name == "number") return kNumber;
  if (name == "string") return kString;
  return name == "array" ? kArray : kObject;
}

bool is_same(const ordered_json& a, const ordered_json& b) {
  const unsigned kind = kind_of(a);
  if (kind != kind_of(b)) return false;
  if (kind & kNumber) return *Decimal::from(a) == *Decimal::from(b);
  if (kind == kArray)
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return is_same(x, y); });
  if (kind != kObject) return a == b;
  return a.size() == b.size() && std::all_of(a.items().begin(), a.items().end(), [&](auto& item) {
           return b.contains(item.key()) && is_same(item.value(), b.at(item.key()));
         });
}

std::u32string characters_of(const std::string& utf8) {
  std::u32string characters;
  for (std::size_t offset = 0; offset < utf8.size();)
    characters.push_back(next_code_point(utf8, offset));
  return characters;
}

}  // namespace gpumodel::engine::text::grammar

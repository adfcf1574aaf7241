// Facts out of the daemon's answers, as people read them. A fact that is absent or null is "-".
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace gpumodelctl {

// The value at `key`; null where there is none, or where `map` is no map.
const nlohmann::ordered_json& at(const nlohmann::ordered_json& map, const char* key);

// A whole number; 0 for anything else.
std::uint64_t number(const nlohmann::ordered_json& value);
std::string words(const nlohmann::ordered_json& value);   // text as it is, other values as JSON
std::string bytes(const nlohmann::ordered_json& value);   // "1.50 GiB"
std::string time(const nlohmann::ordered_json& value);    // of milliseconds: "2.4 s"
std::string joined(const nlohmann::ordered_json& names);  // "a, b"
// Of milliseconds since 1970: "2026-01-31 13:05:09", in the local time zone.
std::string wall_time(const nlohmann::ordered_json& value);
// Now, in ms since 1970.
std::int64_t unix_ms();

}  // namespace gpumodelctl

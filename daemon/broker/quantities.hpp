// Sizes and durations as people write them in the configuration.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpumodel::broker {

// "4 GiB", "40G", "1.5 GiB", "512 B": a decimal number and B, K, M, G or T (powers of 1024; a
// following iB is allowed), with or without spaces between. Nothing for anything else, and beyond
// 2^60 bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

// "500ms", "30s", "10m", "2h". Nothing for anything else, and beyond ten years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// "1.5 GiB": for messages; exact for whole units, otherwise to one decimal.
std::string format_size(std::uint64_t bytes);

}  // namespace gpumodel::broker

// Which known names a mistyped one may have meant.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpumodel::broker {

// Levenshtein's distance between two strings of bytes, ASCII letters compared without case; reads
// at most the first 128 bytes of each.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The names of `known` that are near to `wanted`, nearest first, at most `most`: within a third of
// the longer length, and at least 2; or one of the two contains the other (3 bytes or more).
std::vector<std::string> near_names(std::string_view wanted,
                                    std::span<const std::string_view> known, std::size_t most);

}  // namespace gpumodel::broker

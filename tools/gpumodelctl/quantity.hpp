// Sizes and times as the command line takes them, which is as the configuration takes them.
#pragma once

#include <cstdint>
#include <string>

namespace gpumodelctl {

// "40G", "512 MiB", "1.5GiB", "4096": a number with B, K, M, G or T (powers of 1024), above 0.
// Throws a usage Failure that names `option`.
std::uint64_t parse_bytes(const std::string& option, const std::string& text);

// "90", "90s", "250ms", "10m", "2h", "1d" in milliseconds, above 0; a plain number is seconds.
// Throws a usage Failure that names `option`.
std::uint64_t parse_ms(const std::string& option, const std::string& text);

}  // namespace gpumodelctl

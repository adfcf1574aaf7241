// A fast hash of short strings, for tables whose keys are a model's tokens.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace gpumodel::engine::text {

constexpr std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 32;
  value *= 0x9E3779B97F4A7C15U;
  return value ^ (value >> 29);
}

inline std::uint64_t hash_bytes(std::string_view bytes) {
  std::uint64_t hash = bytes.size();
  while (bytes.size() >= 8) {
    std::uint64_t block = 0;
    std::memcpy(&block, bytes.data(), 8);
    hash = mix(hash ^ block) * 0xD6E8FEB86659FD93U;
    bytes.remove_prefix(8);
  }
  std::uint64_t rest = 0;
  std::memcpy(&rest, bytes.data(), bytes.size());
  return mix(hash ^ rest);
}

}  // namespace gpumodel::engine::text

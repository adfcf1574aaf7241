// SHA-256 (FIPS 180-4), for identities; not for anything that must resist timing.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpumodel::engine::io {

class Sha256 {
 public:
  void update(std::string_view bytes);
  // 64 lower-case hex digits; the object is used up.
  std::string hex_digest();

 private:
  void compress(const unsigned char* block);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_{};
  std::uint64_t length_bytes_ = 0;
};

}  // namespace gpumodel::engine::io

// The fake engine's host images: a memfd of the broker's, with a pattern in it that tells whose
// weights they are.
#pragma once

#include <cstdint>
#include <string>

#include "os/fd.hpp"

namespace gpumodel::test {

// Some bytes at every whole MiB of the memfd are the pattern; the rest stays a hole, so that a test
// may have images far larger than its machine.
class FakeImage {
 public:
  // Throws wire::Error{invalid} where `fd` is no memfd of `bytes`.
  FakeImage(os::Fd fd, std::uint64_t bytes, std::string identity);

  // Writes the pattern of the first `fraction` (0 to 1) of the image.
  void fill(double fraction) const;
  // Of the pattern's places, whatever they hold.
  std::uint64_t checksum() const;
  // Whether they hold the pattern of these weights.
  bool holds_weights() const;

 private:
  std::string pattern_at(std::uint64_t offset) const;
  std::string read_at(std::uint64_t offset) const;

  os::Fd fd_;
  std::uint64_t bytes_;
  std::string identity_;
};

}  // namespace gpumodel::test

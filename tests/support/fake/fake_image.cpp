#include "support/fake/fake_image.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "wire/error.hpp"

namespace gpumodel::test {
namespace {

constexpr std::uint64_t kStrideBytes = 1u << 20;
constexpr std::size_t kPatternBytes = 64;

// FNV-1a, 64 bits.
constexpr std::uint64_t kHashStart = 0xcbf29ce484222325;
std::uint64_t hash(std::string_view bytes, std::uint64_t value = kHashStart) {
  for (const char byte : bytes) {
    value ^= static_cast<unsigned char>(byte);
    value *= 0x100000001b3;
  }
  return value;
}

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

FakeImage::FakeImage(os::Fd fd, std::uint64_t bytes, std::string identity)
    : fd_(std::move(fd)), bytes_(bytes), identity_(std::move(identity)) {
  struct stat facts {};
  if (!fd_ || ::fstat(fd_.get(), &facts) != 0)
    throw wire::Error(wire::Code::invalid, "image: no descriptor came with it");
  if (static_cast<std::uint64_t>(facts.st_size) != bytes_)
    throw wire::Error(wire::Code::invalid, "image: has " + std::to_string(facts.st_size) +
                                               " bytes, expected " + std::to_string(bytes_));
}

std::string FakeImage::pattern_at(std::uint64_t offset) const {
  std::string pattern;
  std::uint64_t value = hash(identity_);
  while (pattern.size() < kPatternBytes) {
    value = hash(std::to_string(offset), value);
    pattern.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return pattern.substr(0, std::min<std::uint64_t>(kPatternBytes, bytes_ - offset));
}

std::string FakeImage::read_at(std::uint64_t offset) const {
  std::string found(std::min<std::uint64_t>(kPatternBytes, bytes_ - offset), '\0');
  if (::pread(fd_.get(), found.data(), found.size(), static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(found.size()))
    throw_errno("reading an image");
  return found;
}

void FakeImage::fill(double fraction) const {
  const double end = fraction * static_cast<double>(bytes_);
  for (std::uint64_t offset = 0; static_cast<double>(offset) < end; offset += kStrideBytes) {
    const std::string pattern = pattern_at(offset);
    if (::pwrite(fd_.get(), pattern.data(), pattern.size(), static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(pattern.size()))
      throw_errno("filling an image");
  }
}

std::uint64_t FakeImage::checksum() const {
  std::uint64_t value = kHashStart;
  for (std::uint64_t offset = 0; offset < bytes_; offset += kStrideBytes)
    value = hash(read_at(offset), value);
  return value;
}

bool FakeImage::holds_weights() const {
  for (std::uint64_t offset = 0; offset < bytes_; offset += kStrideBytes)
    if (read_at(offset) != pattern_at(offset)) return false;
  return true;
}

}  // namespace gpumodel::test

#include "broker/host_images.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

namespace gpumodel::broker {
namespace {

os::Fd duplicate(const os::Fd& fd) { return os::Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)); }

// Sealed against growing, so that no engine takes more than was planned; it may shrink, which is
// how memory is taken back.
os::Fd make_memfd(std::uint64_t number, std::uint64_t bytes) {
  const std::string name = fmt::format("gpumodeld-weights-{}", number);
  os::Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return {};
  return fd;
}

}  // namespace

std::optional<HostImages::Handed> HostImages::create(core::WeightsId weights, std::uint64_t bytes) {
  drop(weights);
  os::Fd fd = make_memfd(weights.value, bytes);
  os::Fd handed = fd ? duplicate(fd) : os::Fd();
  if (!handed) return std::nullopt;
  images_.emplace(weights, Image{std::move(fd), bytes, std::nullopt, false});
  return Handed{std::move(handed), bytes, 0, false};
}

void HostImages::complete(core::WeightsId weights, std::uint64_t checksum) {
  const auto found = images_.find(weights);
  if (found != images_.end()) found->second.checksum = checksum;
}

std::optional<HostImages::Handed> HostImages::hand_out(core::WeightsId weights) const {
  const auto found = images_.find(weights);
  if (found == images_.end() || !found->second.checksum) return std::nullopt;
  const Image& image = found->second;
  os::Fd fd = duplicate(image.fd);
  if (!fd) return std::nullopt;
  return Handed{std::move(fd), image.bytes, *image.checksum, image.doubted};
}

void HostImages::verified(core::WeightsId weights) {
  const auto found = images_.find(weights);
  if (found != images_.end()) found->second.doubted = false;
}

void HostImages::doubt_all() {
  for (auto& [weights, image] : images_) image.doubted = true;
}

std::uint64_t HostImages::bytes_without(const std::set<core::WeightsId>& some) const {
  std::uint64_t bytes = 0;
  for (const auto& [weights, image] : images_)
    if (!some.contains(weights)) bytes += image.bytes;
  return bytes;
}

void HostImages::drop(core::WeightsId weights) {
  const auto found = images_.find(weights);
  if (found == images_.end()) return;
  // Closing alone frees nothing while an engine has it open.
  [[maybe_unused]] const int freed = ::ftruncate(found->second.fd.get(), 0);
  images_.erase(found);
}

}  // namespace gpumodel::broker

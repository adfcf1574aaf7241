#include "engine/memory/arena.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "engine/memory/residency.hpp"

namespace gpumodel::engine::memory {
namespace {

constexpr std::uint64_t kHugePageBytes = std::uint64_t{2} << 20;
// Below two huge pages the alignment could leave none at all.
constexpr std::uint64_t kHugeFromBytes = 2 * kHugePageBytes;
constexpr std::size_t kMaxNameBytes = 79;  // ANON_VMA_NAME_MAX_LEN, less the terminator

// From headers newer than the ones that the oldest supported system has.
constexpr int kSetVma = 0x53564d41;
constexpr int kSetVmaAnonName = 0;
constexpr int kMadvPopulateRead = 22;
constexpr int kMadvPopulateWrite = 23;
constexpr int kMadvCollapse = 25;

std::uint64_t page_bytes() {
  static const auto size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

std::string shown_in_maps(const std::string& name) {
  std::string fit;
  for (const char c : name.substr(0, kMaxNameBytes)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    fit += plain ? c : '_';
  }
  return fit;
}

std::byte* map_inaccessible(std::byte* where, std::uint64_t bytes) {
  const int fixed = where != nullptr ? MAP_FIXED : 0;
  void* at =
      ::mmap(where, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

}  // namespace

std::uint64_t round_to_pages(std::uint64_t bytes) {
  const std::uint64_t page = page_bytes();
  if (bytes > std::numeric_limits<std::uint64_t>::max() - page) {
    throw std::length_error("more bytes than there are addresses");
  }
  return (bytes + page - 1) / page * page;
}

Arena::Arena(Budget& budget, const std::string& name, std::uint64_t bytes)
    : reservation_(budget.reserve(round_to_pages(bytes), name)), bytes_(round_to_pages(bytes)) {
  map(budget, name, -1);
}

Arena::Arena(Budget& budget, const std::string& name, std::uint64_t bytes, const os::Fd& image,
             Access access)
    : reservation_(budget.reserve(round_to_pages(bytes), name)),
      bytes_(round_to_pages(bytes)),
      is_image_(true),
      is_writable_(access == Access::read_write) {
  map(budget, name, image.get());
}

// `image` is -1 for anonymous memory.
void Arena::map(Budget& budget, const std::string& name, int image) {
  if (bytes_ == 0) return;
  const bool huge = bytes_ >= kHugeFromBytes;
  const std::uint64_t alignment = huge ? kHugePageBytes : page_bytes();
  mapping_bytes_ = bytes_ + alignment + page_bytes();
  mapping_ = map_inaccessible(nullptr, mapping_bytes_);
  const auto refuse = [&] {
    destroy();
    throw OutOfMemory(name + " (refused by the system)", bytes_, budget.free_bytes(),
                      budget.capacity_bytes());
  };
  if (mapping_ == nullptr) refuse();

  // At least one page of the reservation stays before and one after the data.
  const auto start = reinterpret_cast<std::uintptr_t>(mapping_);
  data_ = mapping_ + ((start + page_bytes() + alignment - 1) / alignment * alignment - start);
  const int protection = is_writable_ ? PROT_READ | PROT_WRITE : PROT_READ;
  const int kind = image < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  if (::mmap(data_, bytes_, protection, kind | MAP_FIXED, image, 0) == MAP_FAILED) {
    const int error = errno;
    if (error == ENOMEM) refuse();
    destroy();
    throw std::system_error(error, std::generic_category(), "mapping " + name);
  }
  if (huge) ::madvise(data_, bytes_, MADV_HUGEPAGE);
  // A core dump of the weights helps nobody and fills disks.
  ::madvise(data_, bytes_, MADV_DONTDUMP);
  const std::string shown = shown_in_maps(name);
  ::prctl(kSetVma, kSetVmaAnonName, data_, bytes_, shown.c_str());
}

Arena::Arena(Arena&& other) noexcept { *this = std::move(other); }

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this != &other) {
    destroy();
    reservation_ = std::move(other.reservation_);
    mapping_ = std::exchange(other.mapping_, nullptr);
    mapping_bytes_ = std::exchange(other.mapping_bytes_, 0);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    is_image_ = std::exchange(other.is_image_, false);
    is_writable_ = std::exchange(other.is_writable_, true);
    released_ = std::exchange(other.released_, false);
  }
  return *this;
}

Arena::~Arena() { destroy(); }

void Arena::destroy() noexcept {
  if (mapping_ != nullptr) ::munmap(mapping_, mapping_bytes_);
  mapping_ = nullptr;
  data_ = nullptr;
  reservation_.release();
}

void Arena::populate(std::uint64_t offset, std::uint64_t length) const noexcept {
  if (data_ == nullptr || released_ || offset >= bytes_) return;
  const std::uint64_t begin = offset / page_bytes() * page_bytes();
  const std::uint64_t end = offset + std::min(length, bytes_ - offset);
  if (is_image_ && is_writable_) collapse_blocks(begin, end);
  ::madvise(data_ + begin, end - begin, is_writable_ ? kMadvPopulateWrite : kMadvPopulateRead);
}

// A memfd gets huge pages at a fault only where the system's administrator allows it
// (shmem_enabled), which few do; on request it gets them anyway, from Linux 6.1 on. Mapping and
// unmapping an image of huge pages takes well under a millisecond per GiB, where small ones take a
// tenth of a second.
void Arena::collapse_blocks(std::uint64_t begin, std::uint64_t end) const noexcept {
  for (std::uint64_t block = begin / kHugePageBytes * kHugePageBytes;
       block < end && block + kHugePageBytes <= bytes_; block += kHugePageBytes) {
    // A block with no page at all is refused; the others are zero until they are written.
    ::madvise(data_ + block, page_bytes(), kMadvPopulateWrite);
    if (::madvise(data_ + block, kHugePageBytes, kMadvCollapse) != 0 && errno == EINVAL) return;
  }
}

void Arena::make_read_only() {
  if (data_ == nullptr || released_) return;
  if (::mprotect(data_, bytes_, PROT_READ) != 0)
    throw std::system_error(errno, std::generic_category(), "mprotect");
  is_writable_ = false;
}

std::uint64_t Arena::resident_bytes() const {
  return data_ == nullptr ? 0 : mapped_resident_bytes(data_, bytes_);
}

UnloadMeasure Arena::release() {
  UnloadMeasure measure;
  if (released_ || data_ == nullptr) return measure;
  measure.expected_bytes = resident_bytes();
  const auto begin = std::chrono::steady_clock::now();
  if (map_inaccessible(data_, bytes_) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "giving back an arena");
  }
  released_ = true;
  const auto end = std::chrono::steady_clock::now();
  measure.took = std::chrono::duration_cast<std::chrono::microseconds>(end - begin);
  measure.residual_bytes = resident_bytes();
  measure.freed_bytes =
      measure.expected_bytes - std::min(measure.expected_bytes, measure.residual_bytes);
  reservation_.release();
  return measure;
}

}  // namespace gpumodel::engine::memory

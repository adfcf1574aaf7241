#include "engine/device/cuda/memory/handle_pool.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "engine/device/cuda/driver/error.hpp"

namespace gpumodel::engine::device::cuda {
namespace {

// `unit` is not 0.
std::uint64_t round_up(std::uint64_t bytes, std::uint64_t unit) {
  const std::uint64_t missing = (unit - bytes % unit) % unit;
  if (bytes > std::numeric_limits<std::uint64_t>::max() - missing) {
    throw std::length_error("more bytes than there are addresses");
  }
  return bytes + missing;
}

}  // namespace

Handle::Handle(const Context& context, CUmemGenericAllocationHandle handle,
               memory::Reservation reservation) noexcept
    : context_(&context), handle_(handle), reservation_(std::move(reservation)) {}

Handle::Handle(Handle&& other) noexcept
    : context_(other.context_),
      handle_(other.handle_),
      is_held_(std::exchange(other.is_held_, false)),
      reservation_(std::move(other.reservation_)) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  if (this != &other) {
    drop();
    context_ = other.context_;
    handle_ = other.handle_;
    is_held_ = std::exchange(other.is_held_, false);
    reservation_ = std::move(other.reservation_);
  }
  return *this;
}

Handle::~Handle() { drop(); }

void Handle::drop() noexcept {
  if (std::exchange(is_held_, false)) context_->driver().mem_release(handle_);
  reservation_.release();
}

void Handle::release() {
  if (!std::exchange(is_held_, false)) return;
  const Driver& driver = context_->driver();
  const CUresult result = driver.mem_release(handle_);
  reservation_.release();
  check(driver, result, "cuMemRelease");
}

os::Fd Handle::export_fd() const {
  const Driver& driver = context_->driver();
  int fd = -1;
  check(driver,
        driver.mem_export_to_shareable_handle(&fd, handle_,
                                              CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0),
        "cuMemExportToShareableHandle");
  os::Fd owned(fd);
  if (::fcntl(owned.get(), F_SETFD, FD_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "exporting device memory");
  }
  return owned;
}

HandlePool::HandlePool(const Context& context, memory::Budget& budget, const Options& options)
    : context_(context), budget_(budget), is_exportable_(options.is_exportable) {
  context_.enter();
  const Driver& driver = context_.driver();
  const CUmemAllocationProp wanted = properties();
  std::size_t granularity_bytes = 0;
  check(driver,
        driver.mem_get_allocation_granularity(&granularity_bytes, &wanted,
                                              CU_MEM_ALLOC_GRANULARITY_MINIMUM),
        "cuMemGetAllocationGranularity");
  if (granularity_bytes == 0 || options.handle_bytes == 0) {
    throw std::length_error("handles of device memory need a size");
  }
  handle_bytes_ = round_up(options.handle_bytes, granularity_bytes);
  most_warm_ = std::min(options.most_warm_bytes, budget.capacity_bytes()) / handle_bytes_;
  warm_.reserve(most_warm_);
}

CUmemAllocationProp HandlePool::properties() const {
  CUmemAllocationProp wanted{};
  wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  wanted.location.id = context_.device();
  wanted.requestedHandleTypes =
      is_exportable_ ? CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR : CU_MEM_HANDLE_TYPE_NONE;
  return wanted;
}

std::uint64_t HandlePool::warm_bytes() const {
  const std::lock_guard lock(mutex_);
  return warm_.size() * handle_bytes_;
}

std::uint64_t HandlePool::round_to_handles(std::uint64_t bytes) const {
  return round_up(bytes, handle_bytes_);
}

Handle HandlePool::create(const std::string& what_for) {
  memory::Reservation reservation = budget_.reserve(handle_bytes_, what_for);
  const Driver& driver = context_.driver();
  const CUmemAllocationProp wanted = properties();
  CUmemGenericAllocationHandle handle = 0;
  check(driver, driver.mem_create(&handle, handle_bytes_, &wanted, 0), "cuMemCreate", what_for,
        handle_bytes_);
  return Handle(context_, handle, std::move(reservation));
}

std::vector<Handle> HandlePool::take(std::size_t count, const std::string& what_for) {
  if (count > budget_.capacity_bytes() / handle_bytes_) {
    const std::uint64_t most = std::numeric_limits<std::uint64_t>::max() / handle_bytes_;
    throw memory::OutOfMemory(what_for, std::min<std::uint64_t>(count, most) * handle_bytes_,
                              budget_.free_bytes(), budget_.capacity_bytes());
  }
  context_.enter();
  std::vector<Handle> taken;
  taken.reserve(count);
  {
    const std::lock_guard lock(mutex_);
    while (taken.size() < count && !warm_.empty()) {
      taken.push_back(std::move(warm_.back()));
      warm_.pop_back();
    }
  }
  const std::size_t warm_ones = taken.size();
  try {
    while (taken.size() < count) taken.push_back(create(what_for));
  } catch (...) {
    // What was warm is so again; what was created for nothing goes first.
    taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(warm_ones), taken.end());
    keep_warm(std::move(taken));
    throw;
  }
  return taken;
}

void HandlePool::keep_warm(std::vector<Handle> handles) noexcept {
  const std::lock_guard lock(mutex_);
  const std::size_t kept = std::min(handles.size(), most_warm_ - warm_.size());
  const auto end = handles.begin() + static_cast<std::ptrdiff_t>(kept);
  std::move(handles.begin(), end, std::back_inserter(warm_));
}

std::uint64_t HandlePool::give_back(std::uint64_t bytes) {
  context_.enter();
  const std::lock_guard lock(mutex_);
  std::uint64_t given_bytes = 0;
  while (given_bytes < bytes && !warm_.empty()) {
    Handle last = std::move(warm_.back());
    warm_.pop_back();
    last.release();
    given_bytes += handle_bytes_;
  }
  return given_bytes;
}

memory::Reservation HandlePool::reserve(std::uint64_t bytes, const std::string& what_for) {
  const std::uint64_t free_bytes = budget_.free_bytes();
  if (bytes <= budget_.capacity_bytes() && bytes > free_bytes) give_back(bytes - free_bytes);
  return budget_.reserve(bytes, what_for);
}

}  // namespace gpumodel::engine::device::cuda

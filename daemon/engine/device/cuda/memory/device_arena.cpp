#include "engine/device/cuda/memory/device_arena.hpp"

#include <chrono>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "engine/device/cuda/driver/error.hpp"

namespace gpumodel::engine::device::cuda {

DeviceArena::DeviceArena(HandlePool& pool, std::string name, std::uint64_t most_bytes)
    : pool_(&pool), name_(std::move(name)), most_bytes_(pool.round_to_handles(most_bytes)) {
  if (most_bytes_ == 0) return;
  pool_->context().enter();
  const Driver& driver = pool_->context().driver();
  check(driver, driver.mem_address_reserve(&address_, most_bytes_, 0, 0, 0), "cuMemAddressReserve",
        name_, most_bytes_);
}

DeviceArena::DeviceArena(DeviceArena&& other) noexcept
    : pool_(other.pool_),
      name_(std::move(other.name_)),
      most_bytes_(std::exchange(other.most_bytes_, 0)),
      address_(std::exchange(other.address_, 0)),
      handles_(std::exchange(other.handles_, {})) {}

DeviceArena::~DeviceArena() {
  if (address_ == 0) return;
  // An error here is one that a call before has told, or one of a process that ends.
  const Driver& driver = pool_->context().driver();
  pool_->context().enter_to_clean_up();
  driver.ctx_synchronize();
  for (std::size_t i = 0; i < handles_.size(); ++i) {
    driver.mem_unmap(address_ + i * pool_->handle_bytes(), pool_->handle_bytes());
  }
  handles_.clear();
  driver.mem_address_free(address_, most_bytes_);
}

CUdeviceptr DeviceArena::at(std::uint64_t offset, std::uint64_t bytes) const {
  if (offset > mapped_bytes() || bytes > mapped_bytes() - offset) {
    throw std::out_of_range(name_ + " has no device memory there");
  }
  return address_ + offset;
}

void DeviceArena::grow(std::uint64_t bytes) {
  const std::uint64_t wanted_bytes = pool_->round_to_handles(bytes);
  if (wanted_bytes > most_bytes_) throw std::length_error(name_ + " cannot grow so far");
  const std::uint64_t had_bytes = mapped_bytes();
  if (wanted_bytes <= had_bytes) return;
  std::vector<Handle> added =
      pool_->take((wanted_bytes - had_bytes) / pool_->handle_bytes(), name_);
  try {
    handles_.reserve(handles_.size() + added.size());
    map(added, had_bytes);
  } catch (...) {
    pool_->keep_warm(std::move(added));
    throw;
  }
  std::move(added.begin(), added.end(), std::back_inserter(handles_));
}

// All or nothing.
void DeviceArena::map(const std::vector<Handle>& handles, std::uint64_t offset) {
  const Driver& driver = pool_->context().driver();
  const std::uint64_t each_bytes = pool_->handle_bytes();
  const CUdeviceptr begin = address_ + offset;
  std::size_t mapped = 0;
  try {
    for (; mapped < handles.size(); ++mapped) {
      check(driver,
            driver.mem_map(begin + mapped * each_bytes, each_bytes, 0, handles[mapped].get(), 0),
            "cuMemMap", name_, each_bytes);
    }
    CUmemAccessDesc access{};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.location.id = pool_->context().device();
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    check(driver, driver.mem_set_access(begin, handles.size() * each_bytes, &access, 1),
          "cuMemSetAccess", name_, handles.size() * each_bytes);
  } catch (...) {
    while (mapped > 0) driver.mem_unmap(begin + --mapped * each_bytes, each_bytes);
    throw;
  }
}

// From the end, so that what an error leaves is still without gaps.
std::vector<Handle> DeviceArena::unmap_from(std::size_t first) {
  const Driver& driver = pool_->context().driver();
  std::vector<Handle> unmapped;
  unmapped.reserve(handles_.size() - first);
  while (handles_.size() > first) {
    const std::uint64_t offset = (handles_.size() - 1) * pool_->handle_bytes();
    check(driver, driver.mem_unmap(address_ + offset, pool_->handle_bytes()), "cuMemUnmap", name_);
    unmapped.push_back(std::move(handles_.back()));
    handles_.pop_back();
  }
  return unmapped;
}

void DeviceArena::shrink(std::uint64_t bytes) {
  if (bytes >= mapped_bytes()) return;
  const std::size_t kept = pool_->round_to_handles(bytes) / pool_->handle_bytes();
  pool_->context().synchronize();
  pool_->keep_warm(unmap_from(kept));
}

DeviceUnload DeviceArena::release(const DeviceMeter& meter) {
  if (handles_.empty()) return {};
  const std::uint64_t expected_bytes = mapped_bytes();
  const DeviceUse before = meter.read();
  const auto begun = std::chrono::steady_clock::now();
  pool_->context().synchronize();
  for (Handle& handle : unmap_from(0)) handle.release();
  const auto ended = std::chrono::steady_clock::now();
  DeviceUnload unload = freed_between(before, meter.read(), expected_bytes);
  unload.measure.took = std::chrono::duration_cast<std::chrono::microseconds>(ended - begun);
  return unload;
}

std::vector<os::Fd> DeviceArena::export_fds() const {
  pool_->context().enter();
  std::vector<os::Fd> fds;
  fds.reserve(handles_.size());
  for (const Handle& handle : handles_) fds.push_back(handle.export_fd());
  return fds;
}

}  // namespace gpumodel::engine::device::cuda

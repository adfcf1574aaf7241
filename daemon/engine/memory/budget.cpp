#include "engine/memory/budget.hpp"

#include <utility>

namespace gpumodel::engine::memory {

OutOfMemory::OutOfMemory(const std::string& what_for, std::uint64_t wanted_bytes,
                         std::uint64_t free_bytes, std::uint64_t capacity_bytes)
    : std::runtime_error(what_for + " needs " + std::to_string(wanted_bytes) + " bytes, " +
                         std::to_string(free_bytes) + " of " + std::to_string(capacity_bytes) +
                         " are free"),
      wanted_bytes_(wanted_bytes),
      free_bytes_(free_bytes),
      capacity_bytes_(capacity_bytes) {}

Reservation::Reservation(Reservation&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void Reservation::release() noexcept {
  if (budget_ != nullptr) budget_->used_bytes_.fetch_sub(bytes_);
  budget_ = nullptr;
  bytes_ = 0;
}

Reservation Budget::reserve(std::uint64_t bytes, const std::string& what_for) {
  std::uint64_t used = used_bytes_.load();
  do {
    const std::uint64_t available = capacity_bytes_ - used;
    if (bytes > available) throw OutOfMemory(what_for, bytes, available, capacity_bytes_);
  } while (!used_bytes_.compare_exchange_weak(used, used + bytes));
  return Reservation(this, bytes);
}

}  // namespace gpumodel::engine::memory

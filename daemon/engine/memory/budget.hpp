// How many bytes of a device are spoken for. One Budget per device; reservations are handed around.
#pragma once

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace gpumodel::engine::memory {

// Out of memory is an answer, and work goes on.
class OutOfMemory : public std::runtime_error {
 public:
  OutOfMemory(const std::string& what_for, std::uint64_t wanted_bytes, std::uint64_t free_bytes,
              std::uint64_t capacity_bytes);
  std::uint64_t wanted_bytes() const { return wanted_bytes_; }
  std::uint64_t free_bytes() const { return free_bytes_; }
  std::uint64_t capacity_bytes() const { return capacity_bytes_; }

 private:
  std::uint64_t wanted_bytes_;
  std::uint64_t free_bytes_;
  std::uint64_t capacity_bytes_;
};

class Budget;

// A part of a budget, given back when it is destroyed. The budget must outlive it.
class Reservation {
 public:
  Reservation() noexcept = default;
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() { release(); }

  std::uint64_t bytes() const { return bytes_; }
  void release() noexcept;

 private:
  friend class Budget;
  Reservation(Budget* budget, std::uint64_t bytes) noexcept : budget_(budget), bytes_(bytes) {}

  Budget* budget_ = nullptr;
  std::uint64_t bytes_ = 0;
};

// Safe from any thread.
class Budget {
 public:
  explicit Budget(std::uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Throws OutOfMemory, which names `what_for`, where fewer than `bytes` are free.
  Reservation reserve(std::uint64_t bytes, const std::string& what_for);

  std::uint64_t capacity_bytes() const { return capacity_bytes_; }
  std::uint64_t used_bytes() const { return used_bytes_.load(); }
  std::uint64_t free_bytes() const { return capacity_bytes_ - used_bytes(); }

 private:
  friend class Reservation;

  const std::uint64_t capacity_bytes_;
  std::atomic<std::uint64_t> used_bytes_{0};
};

}  // namespace gpumodel::engine::memory

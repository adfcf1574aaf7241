// Memory of the simulated device: every access of a kernel goes through a Ptr, which checks bounds,
// alignment and what orders it with the other threads' accesses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/simt/fault.hpp"

namespace gpumodel::test::simt {

// Who touched a byte, and when: barriers count the epochs of a block, __syncwarp those of a warp.
struct Access {
  std::uint64_t launch = 0;  // 0: nobody
  std::uint32_t block = 0;
  std::uint32_t thread = 0;
  std::uint32_t block_epoch = 0;
  std::uint32_t warp_epoch = 0;
  bool atomic = false;
};

class Region {
 public:
  Region(std::string name, std::byte* base, std::size_t bytes)
      : name_(std::move(name)), base_(base), bytes_(bytes), history_(bytes) {}

  std::byte* base() const { return base_; }

  // Throw a Fault. Outside of a kernel only the bounds are checked.
  void read(const void* at, std::size_t bytes, std::size_t alignment);
  void write(const void* at, std::size_t bytes, std::size_t alignment, bool atomic = false);

 private:
  // Of two readers that nothing orders one may be forgotten, but not both.
  struct History {
    Access writer, reader, other_reader;
  };

  std::size_t offset_of(const void* at, std::size_t bytes, std::size_t alignment) const;
  void require_order(const Access& before, const Access& now, std::size_t offset,
                     const char* what) const;

  std::string name_;
  std::byte* base_;
  std::size_t bytes_;
  std::vector<History> history_;
};

// An element that is written through Ptr::operator[].
template <class T>
class Ref {
 public:
  Ref(Region& region, T* at) : region_(region), at_(at) {}
  Ref(const Ref&) = default;

  operator T() const {
    region_.read(at_, sizeof(T), alignof(T));
    T value;
    std::memcpy(&value, at_, sizeof value);
    return value;
  }
  Ref& operator=(T value) {
    region_.write(at_, sizeof(T), alignof(T));
    std::memcpy(at_, &value, sizeof value);
    return *this;
  }
  Ref& operator=(const Ref& other) { return *this = static_cast<T>(other); }
  Ref& operator+=(T value) { return *this = static_cast<T>(*this) + value; }

 private:
  Region& region_;
  T* at_;
};

template <class T>
class Ptr {
 public:
  using Value = std::remove_const_t<T>;

  Ptr() = default;
  Ptr(std::nullptr_t) {}
  Ptr(Region& region, T* at) : region_(&region), at_(at) {}
  operator Ptr<const T>() const requires(!std::is_const_v<T>) {
    return region_ ? Ptr<const T>(*region_, at_) : Ptr<const T>();
  }

  explicit operator bool() const { return at_ != nullptr; }
  Ptr operator+(std::int64_t count) const { return Ptr(*region_, at_ + count); }
  auto operator[](std::int64_t index) const {
    if constexpr (std::is_const_v<T>)
      return load<Value>(index * std::int64_t{sizeof(T)});
    else
      return Ref<T>(*region_, at_ + index);
  }

  // A V from so many bytes on, aligned to its size.
  template <class V>
  V load(std::int64_t byte_offset) const {
    const auto* from = reinterpret_cast<const std::byte*>(at_) + byte_offset;
    region_->read(from, sizeof(V), sizeof(V));
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }

  T add_atomically(T value) const {
    region_->write(at_, sizeof(T), sizeof(T), /*atomic=*/true);
    return std::exchange(*at_, *at_ + value);
  }

 private:
  Region* region_ = nullptr;
  T* at_ = nullptr;
};

// Bytes aligned to 64, as what the engine gives kernels is.
class Memory {
 public:
  Memory(std::string name, std::size_t bytes)
      : storage_(bytes + 64), region_(std::move(name), aligned(), bytes) {}
  Region& region() { return region_; }

 private:
  std::byte* aligned() {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    return storage_.data() + (64 - address % 64) % 64;
  }

  std::vector<std::byte> storage_;
  Region region_;
};

// Device memory of a test.
template <class T>
class Buffer {
 public:
  Buffer(std::string name, const std::vector<T>& values)
      : count_(values.size()), memory_(std::move(name), values.size() * sizeof(T)) {
    if (!values.empty())
      std::memcpy(memory_.region().base(), values.data(), values.size() * sizeof(T));
  }
  Ptr<T> ptr() { return Ptr<T>(memory_.region(), reinterpret_cast<T*>(memory_.region().base())); }
  std::vector<T> values() {
    std::vector<T> result(count_);
    if (count_ != 0) std::memcpy(result.data(), memory_.region().base(), count_ * sizeof(T));
    return result;
  }

 private:
  std::size_t count_;
  Memory memory_;
};

}  // namespace gpumodel::test::simt

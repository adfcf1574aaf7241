// Memory for what kernels read in whole cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace gpumodel::engine::device::cpu {

class AlignedBytes {
 public:
  // At least so many bytes from now on; what was there is lost where it grows.
  void grow(std::int64_t bytes) {
    if (bytes <= size_) return;
    data_.reset(new (kAlignment) std::byte[static_cast<std::size_t>(bytes)]);
    size_ = bytes;
  }
  std::byte* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(std::byte* bytes) const { ::operator delete[](bytes, kAlignment); }
  };

  std::unique_ptr<std::byte[], Delete> data_;
  std::int64_t size_ = 0;
};

}  // namespace gpumodel::engine::device::cpu

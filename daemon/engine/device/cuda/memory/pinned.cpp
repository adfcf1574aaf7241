#include "engine/device/cuda/memory/pinned.hpp"

#include "engine/device/cuda/driver/error.hpp"

namespace gpumodel::engine::device::cuda {
namespace {

// The driver takes no pointer to const, and writes nothing.
void* address_of(std::span<const std::byte> bytes) { return const_cast<std::byte*>(bytes.data()); }

}  // namespace

PinnedMemory::PinnedMemory(const Context& context, std::uint64_t bytes, bool is_write_combined)
    : context_(context) {
  const Driver& driver = context_.driver();
  void* address = nullptr;
  const unsigned flags = is_write_combined ? CU_MEMHOSTALLOC_WRITECOMBINED : 0;
  check(driver, driver.mem_host_alloc(&address, bytes, flags), "cuMemHostAlloc", "pinned memory",
        bytes);
  bytes_ = {static_cast<std::byte*>(address), bytes};
}

PinnedMemory::~PinnedMemory() { context_.driver().mem_free_host(bytes_.data()); }

RegisteredMemory::RegisteredMemory(const Context& context, std::span<const std::byte> bytes,
                                   bool is_read_only)
    : context_(context), bytes_(bytes) {
  const Driver& driver = context_.driver();
  const unsigned flags = is_read_only ? CU_MEMHOSTREGISTER_READ_ONLY : 0;
  check(driver, driver.mem_host_register(address_of(bytes_), bytes_.size(), flags),
        "cuMemHostRegister", "registered memory", bytes_.size());
}

RegisteredMemory::~RegisteredMemory() { context_.driver().mem_host_unregister(address_of(bytes_)); }

}  // namespace gpumodel::engine::device::cuda

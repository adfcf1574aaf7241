#include "support/simulated_driver.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace gpumodel::tests {
namespace {

SimulatedDriver* current = nullptr;

template <class Pointer>
Pointer as_pointer(std::uint64_t number) {
  return reinterpret_cast<Pointer>(static_cast<std::uintptr_t>(number));
}

template <class Pointer>
std::uint64_t as_number(Pointer pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

}  // namespace

// What stands in the table.
struct SimulatedCalls {
  // Runs `body` on the simulation unless this call shall fail.
  template <class Body>
  static CUresult call(Body body) {
    if (const auto failure = current->enter()) return *failure;
    return body(*current);
  }

  static CUresult error_name(CUresult, const char** name) {
    *name = "CUDA_ERROR_SIMULATED";
    return CUDA_SUCCESS;
  }
  static CUresult error_string(CUresult, const char** text) {
    *text = "as the test said";
    return CUDA_SUCCESS;
  }
  static CUresult retain(CUcontext* context, CUdevice) {
    return call([&](SimulatedDriver& gpu) {
      ++gpu.contexts_;
      *context = as_pointer<CUcontext>(1);
      return CUDA_SUCCESS;
    });
  }
  static CUresult release_context(CUdevice) {
    return call([](SimulatedDriver& gpu) {
      if (gpu.contexts_-- <= 0) return gpu.wrong("a context released twice");
      return CUDA_SUCCESS;
    });
  }
  static CUresult set_current(CUcontext context) {
    return call([&](SimulatedDriver& gpu) {
      gpu.is_current_ = context != nullptr;
      return CUDA_SUCCESS;
    });
  }
  static CUresult synchronize() {
    return call([](SimulatedDriver& gpu) {
      if (!gpu.is_current_) return gpu.wrong("synchronised without a context");
      gpu.run_copies(gpu.done_copies_ + gpu.copies_.size());
      return CUDA_SUCCESS;
    });
  }
  static CUresult info(std::size_t* free_bytes, std::size_t* total_bytes) {
    return call([&](SimulatedDriver& gpu) {
      *total_bytes = gpu.options_.capacity_bytes;
      *free_bytes = gpu.options_.capacity_bytes - gpu.used_bytes_;
      return CUDA_SUCCESS;
    });
  }
  static CUresult granularity(std::size_t* bytes, const CUmemAllocationProp*,
                              CUmemAllocationGranularity_flags) {
    return call([&](SimulatedDriver& gpu) {
      *bytes = gpu.options_.granularity_bytes;
      return CUDA_SUCCESS;
    });
  }
  static CUresult reserve(CUdeviceptr* address, std::size_t bytes, std::size_t, CUdeviceptr,
                          unsigned long long) {
    return call([&](SimulatedDriver& gpu) {
      if (bytes % gpu.options_.granularity_bytes != 0) return gpu.wrong("an uneven reservation");
      std::uint64_t reserved = 0;
      for (const auto& [begin, length] : gpu.reservations_) reserved += length;
      if (bytes > gpu.options_.address_bytes - reserved) return CUDA_ERROR_OUT_OF_MEMORY;
      *address = gpu.next_address_;
      gpu.next_address_ += bytes + gpu.options_.granularity_bytes;
      gpu.reservations_[*address] = bytes;
      return CUDA_SUCCESS;
    });
  }
  static CUresult free_address(CUdeviceptr address, std::size_t bytes) {
    return call([&](SimulatedDriver& gpu) {
      const auto found = gpu.reservations_.find(address);
      if (found == gpu.reservations_.end() || found->second != bytes) {
        return gpu.wrong("addresses freed that were not reserved so");
      }
      const auto mapped = gpu.mappings_.lower_bound(address);
      if (mapped != gpu.mappings_.end() && mapped->first < address + bytes) {
        return gpu.wrong("addresses freed that are mapped");
      }
      gpu.reservations_.erase(found);
      return CUDA_SUCCESS;
    });
  }
  static CUresult create(CUmemGenericAllocationHandle* handle, std::size_t bytes,
                         const CUmemAllocationProp* wanted, unsigned long long) {
    return call([&](SimulatedDriver& gpu) {
      if (bytes % gpu.options_.granularity_bytes != 0) return gpu.wrong("an uneven handle");
      if (wanted->requestedHandleTypes != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
        return gpu.wrong("a handle that cannot be exported");
      }
      if (bytes > gpu.options_.capacity_bytes - gpu.used_bytes_) return CUDA_ERROR_OUT_OF_MEMORY;
      gpu.used_bytes_ += bytes;
      *handle = gpu.next_++;
      gpu.memories_[*handle].bytes.resize(bytes);
      return CUDA_SUCCESS;
    });
  }
  static CUresult release(CUmemGenericAllocationHandle handle) {
    return call([&](SimulatedDriver& gpu) {
      const auto found = gpu.memories_.find(handle);
      if (found == gpu.memories_.end() || found->second.is_released) {
        return gpu.wrong("a handle released twice");
      }
      found->second.is_released = true;
      gpu.collect(handle);
      return CUDA_SUCCESS;
    });
  }
  static CUresult map(CUdeviceptr address, std::size_t bytes, std::size_t,
                      CUmemGenericAllocationHandle handle, unsigned long long) {
    return call([&](SimulatedDriver& gpu) {
      const auto reserved = gpu.reservations_.upper_bound(address);
      if (reserved == gpu.reservations_.begin() ||
          address + bytes > std::prev(reserved)->first + std::prev(reserved)->second) {
        return gpu.wrong("mapped outside of a reservation");
      }
      const auto found = gpu.memories_.find(handle);
      if (found == gpu.memories_.end() || found->second.bytes.size() != bytes) {
        return gpu.wrong("mapped what is no handle of that size");
      }
      if (!gpu.mappings_.try_emplace(address, SimulatedDriver::Mapping{bytes, handle}).second) {
        return gpu.wrong("mapped twice");
      }
      ++found->second.mapped;
      return CUDA_SUCCESS;
    });
  }
  static CUresult unmap(CUdeviceptr address, std::size_t bytes) {
    return call([&](SimulatedDriver& gpu) {
      const auto found = gpu.mappings_.find(address);
      if (found == gpu.mappings_.end() || found->second.bytes != bytes) {
        return gpu.wrong("unmapped what is not mapped");
      }
      for (const SimulatedDriver::Copy& copy : gpu.copies_) {
        if (copy.target < address + bytes && address < copy.target + copy.bytes) {
          return gpu.wrong("unmapped under a copy");
        }
      }
      const CUmemGenericAllocationHandle handle = found->second.handle;
      gpu.mappings_.erase(found);
      --gpu.memories_[handle].mapped;
      gpu.collect(handle);
      return CUDA_SUCCESS;
    });
  }
  static CUresult set_access(CUdeviceptr address, std::size_t bytes, const CUmemAccessDesc*,
                             std::size_t) {
    return call([&](SimulatedDriver& gpu) {
      for (CUdeviceptr next = address; next < address + bytes;) {
        const auto found = gpu.mappings_.find(next);
        if (found == gpu.mappings_.end()) return gpu.wrong("access to what is not mapped");
        found->second.is_accessible = true;
        next += found->second.bytes;
      }
      return CUDA_SUCCESS;
    });
  }
  static CUresult export_fd(void* fd, CUmemGenericAllocationHandle, CUmemAllocationHandleType,
                            unsigned long long) {
    return call([&](SimulatedDriver&) {
      *static_cast<int*>(fd) = ::memfd_create("handle", 0);
      return CUDA_SUCCESS;
    });
  }
  static CUresult host_alloc(void** address, std::size_t bytes, unsigned) {
    return call([&](SimulatedDriver& gpu) {
      std::vector<std::byte> memory(bytes);
      *address = memory.data();
      gpu.pinned_[*address] = std::move(memory);
      return CUDA_SUCCESS;
    });
  }
  static CUresult free_host(void* address) {
    return call([&](SimulatedDriver& gpu) {
      if (!gpu.copies_.empty()) return gpu.wrong("pinned memory freed under a copy");
      return gpu.pinned_.erase(address) == 1 ? CUDA_SUCCESS : gpu.wrong("freed what is not pinned");
    });
  }
  static CUresult register_host(void* address, std::size_t bytes, unsigned) {
    return call([&](SimulatedDriver& gpu) {
      gpu.registered_[address] = bytes;
      return CUDA_SUCCESS;
    });
  }
  static CUresult unregister_host(void* address) {
    return call([&](SimulatedDriver& gpu) {
      if (!gpu.copies_.empty()) return gpu.wrong("unregistered under a copy");
      return gpu.registered_.erase(address) == 1 ? CUDA_SUCCESS : gpu.wrong("not registered");
    });
  }
  static CUresult create_stream(CUstream* stream, unsigned) {
    return call([&](SimulatedDriver& gpu) {
      gpu.streams_[gpu.next_] = 1;
      *stream = as_pointer<CUstream>(gpu.next_++);
      return CUDA_SUCCESS;
    });
  }
  static CUresult destroy_stream(CUstream stream) {
    return call([&](SimulatedDriver& gpu) {
      return gpu.streams_.erase(as_number(stream)) == 1 ? CUDA_SUCCESS : gpu.wrong("no stream");
    });
  }
  static CUresult synchronize_stream(CUstream) { return synchronize(); }
  static CUresult create_event(CUevent* event, unsigned) {
    return call([&](SimulatedDriver& gpu) {
      gpu.events_[gpu.next_] = 0;
      *event = as_pointer<CUevent>(gpu.next_++);
      return CUDA_SUCCESS;
    });
  }
  static CUresult destroy_event(CUevent event) {
    return call([&](SimulatedDriver& gpu) {
      return gpu.events_.erase(as_number(event)) == 1 ? CUDA_SUCCESS : gpu.wrong("no event");
    });
  }
  static CUresult record(CUevent event, CUstream) {
    return call([&](SimulatedDriver& gpu) {
      gpu.events_.at(as_number(event)) = gpu.done_copies_ + gpu.copies_.size();
      return CUDA_SUCCESS;
    });
  }
  static CUresult synchronize_event(CUevent event) {
    return call([&](SimulatedDriver& gpu) {
      gpu.run_copies(gpu.events_.at(as_number(event)));
      return CUDA_SUCCESS;
    });
  }
  static CUresult copy(CUdeviceptr target, const void* source, std::size_t bytes, CUstream) {
    return call([&](SimulatedDriver& gpu) {
      if (!gpu.is_accessible(target, bytes)) return gpu.wrong("copied to what is not mapped");
      gpu.copies_.push_back({target, static_cast<const std::byte*>(source), bytes});
      return CUDA_SUCCESS;
    });
  }
};

SimulatedDriver::SimulatedDriver(const Options& options) : options_(options) {
  using Calls = SimulatedCalls;
  current = this;
  table_.get_error_name = Calls::error_name;
  table_.get_error_string = Calls::error_string;
  table_.primary_ctx_retain = Calls::retain;
  table_.primary_ctx_release = Calls::release_context;
  table_.ctx_set_current = Calls::set_current;
  table_.ctx_synchronize = Calls::synchronize;
  table_.mem_get_info = Calls::info;
  table_.mem_get_allocation_granularity = Calls::granularity;
  table_.mem_address_reserve = Calls::reserve;
  table_.mem_address_free = Calls::free_address;
  table_.mem_create = Calls::create;
  table_.mem_release = Calls::release;
  table_.mem_map = Calls::map;
  table_.mem_unmap = Calls::unmap;
  table_.mem_set_access = Calls::set_access;
  table_.mem_export_to_shareable_handle = Calls::export_fd;
  table_.mem_host_alloc = Calls::host_alloc;
  table_.mem_free_host = Calls::free_host;
  table_.mem_host_register = Calls::register_host;
  table_.mem_host_unregister = Calls::unregister_host;
  table_.stream_create = Calls::create_stream;
  table_.stream_destroy = Calls::destroy_stream;
  table_.stream_synchronize = Calls::synchronize_stream;
  table_.event_create = Calls::create_event;
  table_.event_destroy = Calls::destroy_event;
  table_.event_record = Calls::record;
  table_.event_synchronize = Calls::synchronize_event;
  table_.memcpy_htod_async = Calls::copy;
}

SimulatedDriver::~SimulatedDriver() { current = nullptr; }

void SimulatedDriver::fail_call(std::size_t number, CUresult code) { failure_ = {number, code}; }

std::optional<CUresult> SimulatedDriver::enter() {
  const std::size_t number = calls_++;
  if (failure_ && failure_->first == number) return failure_->second;
  return std::nullopt;
}

CUresult SimulatedDriver::wrong(const std::string& what) {
  violations_.push_back(what);
  return CUDA_ERROR_INVALID_VALUE;
}

std::byte* SimulatedDriver::at(CUdeviceptr address) {
  auto found = std::prev(mappings_.upper_bound(address));
  return memories_.at(found->second.handle).bytes.data() + (address - found->first);
}

bool SimulatedDriver::is_accessible(CUdeviceptr address, std::uint64_t bytes) const {
  for (CUdeviceptr next = address; next < address + bytes;) {
    auto found = mappings_.upper_bound(next);
    if (found == mappings_.begin()) return false;
    --found;
    const CUdeviceptr end = found->first + found->second.bytes;
    if (next >= end || !found->second.is_accessible) return false;
    next = end;
  }
  return true;
}

void SimulatedDriver::run_copies(std::size_t until) {
  for (; done_copies_ < until; ++done_copies_) {
    const Copy copy = copies_.front();
    copies_.pop_front();
    for (std::uint64_t i = 0; i < copy.bytes; ++i) *at(copy.target + i) = copy.source[i];
  }
}

// Memory goes once nobody has it, by handle or by mapping.
void SimulatedDriver::collect(CUmemGenericAllocationHandle handle) {
  const auto found = memories_.find(handle);
  if (!found->second.is_released || found->second.mapped > 0) return;
  used_bytes_ -= found->second.bytes.size();
  memories_.erase(found);
}

std::vector<std::byte> SimulatedDriver::read(CUdeviceptr address, std::uint64_t bytes) {
  std::vector<std::byte> all;
  for (std::uint64_t i = 0; i < bytes; ++i) all.push_back(*at(address + i));
  return all;
}

std::string SimulatedDriver::leaks() const {
  std::string text;
  const auto count = [&](const char* what, std::size_t number) {
    if (number > 0) text += std::to_string(number) + " " + what + " ";
  };
  count("contexts", static_cast<std::size_t>(contexts_));
  count("reservations", reservations_.size());
  count("mappings", mappings_.size());
  count("handles", memories_.size());
  count("pinned", pinned_.size());
  count("registered", registered_.size());
  count("streams", streams_.size());
  count("events", events_.size());
  return text;
}

}  // namespace gpumodel::tests

#include "engine/device/cuda/memory/copy_ring.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <system_error>

#include "engine/device/cuda/driver/error.hpp"

namespace gpumodel::engine::device::cuda {
namespace {

std::uint64_t ring_bytes(const CopyRing::Options& options) {
  if (options.slice_bytes == 0 || options.slices == 0 ||
      options.slice_bytes > std::numeric_limits<std::uint64_t>::max() / options.slices) {
    throw std::length_error("a ring of copies has slices with a size");
  }
  return options.slice_bytes * options.slices;
}

const Context& entered(const Context& context) {
  context.enter();
  return context;
}

void read_fully(int fd, std::uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t got = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::system_error(errno, std::generic_category(), "reading for a copy");
    if (got == 0) {
      throw std::system_error(ENODATA, std::generic_category(), "the file ends before the copy");
    }
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

}  // namespace

CopyRing::CopyRing(const Context& context, const Options& options)
    : context_(entered(context)),
      slice_bytes_(options.slice_bytes),
      ring_(context, ring_bytes(options), options.is_write_combined),
      stream_(context) {
  fetched_.reserve(options.slices);
  for (std::size_t i = 0; i < options.slices; ++i) fetched_.emplace_back(context);
}

CopyRing::~CopyRing() { context_.enter_to_clean_up(); }

CopyEnd CopyRing::copy(CUdeviceptr target, std::span<const std::byte> source,
                       const CopyOptions& options) {
  const auto stage = [&](std::uint64_t position, std::span<std::byte> slice) {
    std::memcpy(slice.data(), source.data() + position, slice.size());
    return slice.data();
  };
  return run(target, source.size(), stage, options);
}

CopyEnd CopyRing::copy(CUdeviceptr target, int fd, std::uint64_t offset, std::uint64_t bytes,
                       const CopyOptions& options) {
  const auto most = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  if (offset > most || bytes > most - offset) {
    throw std::system_error(EOVERFLOW, std::generic_category(), "reading for a copy");
  }
  const auto stage = [&](std::uint64_t position, std::span<std::byte> slice) {
    read_fully(fd, offset + position, slice);
    return slice.data();
  };
  return run(target, bytes, stage, options);
}

CopyEnd CopyRing::copy(CUdeviceptr target, const RegisteredMemory& source, std::uint64_t offset,
                       std::uint64_t bytes, const CopyOptions& options) {
  const std::span<const std::byte> memory = source.bytes();
  if (offset > memory.size() || bytes > memory.size() - offset) {
    throw std::out_of_range("a copy beyond the registered memory");
  }
  const auto stage = [&](std::uint64_t position, std::span<std::byte>) {
    return memory.data() + offset + position;
  };
  return run(target, bytes, stage, options);
}

CopyEnd CopyRing::run(CUdeviceptr target, std::uint64_t bytes, const Stage& stage,
                      const CopyOptions& options) {
  context_.enter();
  try {
    const CopyEnd end = run_slices(target, bytes, stage, options);
    stream_.synchronize();
    return end;
  } catch (...) {
    stream_.settle();
    throw;
  }
}

CopyEnd CopyRing::run_slices(CUdeviceptr target, std::uint64_t bytes, const Stage& stage,
                             const CopyOptions& options) {
  const Driver& driver = context_.driver();
  std::size_t next = 0;
  for (std::uint64_t position = 0; position < bytes;) {
    if (options.stop.stop_requested()) return CopyEnd::stopped;
    const std::uint64_t length = std::min(slice_bytes_, bytes - position);
    fetched_[next].synchronize();
    const std::byte* staged = stage(position, ring_.bytes().subspan(next * slice_bytes_, length));
    check(driver, driver.memcpy_htod_async(target + position, staged, length, stream_.get()),
          "cuMemcpyHtoDAsync");
    fetched_[next].record(stream_);
    next = (next + 1) % fetched_.size();
    position += length;
    if (options.progress) options.progress(position);
  }
  return CopyEnd::done;
}

}  // namespace gpumodel::engine::device::cuda

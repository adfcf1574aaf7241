#include "support/simt/memory.hpp"

#include "support/simt/block.hpp"

namespace gpumodel::test::simt {
namespace {

bool is_ordered(const Access& before, const Access& now) {
  if (before.launch != now.launch) return true;
  if (before.atomic && now.atomic) return true;
  if (before.block != now.block) return false;
  if (before.thread == now.thread || before.block_epoch != now.block_epoch) return true;
  return before.thread / kWarpLanes == now.thread / kWarpLanes &&
         before.warp_epoch != now.warp_epoch;
}

bool is_same_thread(const Access& one, const Access& other) {
  return one.launch == other.launch && one.block == other.block && one.thread == other.thread;
}

}  // namespace

std::size_t Region::offset_of(const void* at, std::size_t bytes, std::size_t alignment) const {
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  const auto first = reinterpret_cast<std::uintptr_t>(base_);
  if (address < first || bytes > bytes_ || address - first > bytes_ - bytes)
    throw Fault(FaultKind::out_of_bounds,
                name_ + ": " + std::to_string(bytes) + " bytes at offset " +
                    std::to_string(static_cast<std::int64_t>(address - first)) + " of " +
                    std::to_string(bytes_));
  if (address % alignment != 0)
    throw Fault(FaultKind::misaligned, name_ + ": offset " + std::to_string(address - first) +
                                           " is not aligned to " + std::to_string(alignment));
  return address - first;
}

void Region::require_order(const Access& before, const Access& now, std::size_t offset,
                           const char* what) const {
  if (is_ordered(before, now)) return;
  throw Fault(FaultKind::race,
              name_ + ": byte " + std::to_string(offset) + ": " + what + ", threads " +
                  std::to_string(before.thread) + " of block " + std::to_string(before.block) +
                  " and " + std::to_string(now.thread) + " of block " + std::to_string(now.block));
}

void Region::read(const void* at, std::size_t bytes, std::size_t alignment) {
  const std::size_t offset = offset_of(at, bytes, alignment);
  if (!Block::is_running()) return;
  const Access now = Block::current().here();
  for (std::size_t i = offset; i < offset + bytes; ++i) {
    History& history = history_[i];
    require_order(history.writer, now, i, "written, then read");
    if (!is_same_thread(history.reader, now)) history.other_reader = history.reader;
    history.reader = now;
  }
}

void Region::write(const void* at, std::size_t bytes, std::size_t alignment, bool atomic) {
  const std::size_t offset = offset_of(at, bytes, alignment);
  if (!Block::is_running()) return;
  Access now = Block::current().here();
  now.atomic = atomic;
  for (std::size_t i = offset; i < offset + bytes; ++i) {
    History& history = history_[i];
    require_order(history.writer, now, i, "written twice");
    require_order(history.reader, now, i, "read, then written");
    require_order(history.other_reader, now, i, "read, then written");
    history.writer = now;
  }
}

}  // namespace gpumodel::test::simt

#include "engine/server/unload_report.hpp"

namespace gpumodel::engine::server {

std::uint64_t milliseconds_since(std::chrono::steady_clock::time_point begun) {
  const auto passed = std::chrono::steady_clock::now() - begun;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(passed).count());
}

wire::UnloadResult release_arenas(std::initializer_list<memory::Arena*> arenas) {
  const auto begun = std::chrono::steady_clock::now();
  wire::UnloadResult result;
  for (memory::Arena* arena : arenas) {
    const memory::UnloadMeasure measure = arena->release();
    result.expected_bytes += measure.expected_bytes;
    result.freed_bytes += measure.freed_bytes;
    result.residual_bytes += measure.residual_bytes;
  }
  result.ms = milliseconds_since(begun);
  return result;
}

}  // namespace gpumodel::engine::server

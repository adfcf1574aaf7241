// Work on much memory cut into slices: in parallel, with progress, and ended at any slice.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <stop_token>
#include <vector>

namespace gpumodel::engine::model {

// The largest slice; between two of them a load looks whether it shall stop.
inline constexpr std::uint64_t kMostSliceBytes = std::uint64_t{16} << 20;

// The load was asked to stop; everything it had is freed.
class LoadInterrupted : public std::runtime_error {
 public:
  LoadInterrupted() : std::runtime_error("the load was cancelled") {}
};

struct LoadOptions {
  unsigned threads = 1;  // the caller's among them; 0 counts as 1
  std::stop_token stop;  // looked at before every slice
  // (bytes done, bytes to do); called on the caller's thread after each of its slices, and at the
  // end with both equal. It may throw, which ends the load.
  std::function<void(std::uint64_t, std::uint64_t)> progress;
  // Whether somebody else needs the processor now: then at most half of the threads (and one at
  // least) begin another slice. Called on any of them.
  std::function<bool()> gives_way;
};

// Calls `work` with each index of `slice_bytes` once, on so many threads. The first exception of
// any of them ends all and is thrown here; LoadInterrupted where it was stopped before the end.
// Whatever happens, all threads have ended when it returns.
void for_each_slice(const std::vector<std::uint64_t>& slice_bytes, const LoadOptions& options,
                    const std::function<void(std::size_t)>& work);

}  // namespace gpumodel::engine::model

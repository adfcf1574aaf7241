// What the service manager hears while the daemon runs: its state in words, and that it works.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "broker/conductor.hpp"
#include "broker/config.hpp"
#include "broker/log.hpp"
#include "core/snapshot.hpp"

namespace gpumodel::broker {

// For `systemctl status`: "2 models ready, 41.0 GiB of 80 GiB, 5 leases". `capacity_bytes` of all
// devices.
std::string status_words(const core::Snapshot& snapshot, std::uint64_t capacity_bytes);

// Whether requests wait although nobody holds a lease and nothing is on its way that could end
// their waiting: loads, engines that start or will be tried again, memory that others use or were
// promised, a drain. That passes soon unless the daemon has a defect.
bool nothing_moves(const core::Snapshot& snapshot);

// Lives on the loop: where the loop stands still, nothing is said, and the manager's watchdog
// bites. It bites too where nothing moves for a minute longer than what is idle may be spared
// (min_residency).
class Supervision {
 public:
  Supervision(asio::io_context& io, const Log& log, const Config& config,
              const Conductor& conductor);

  // From READY on; does nothing where no service manager listens.
  void start();
  // The daemon stops, and says so itself.
  void stop() { timer_.cancel(); }

 private:
  void wait();
  void look();
  bool is_stuck(const core::Snapshot& snapshot);

  const Log& log_;
  const Config& config_;
  const Conductor& conductor_;
  std::chrono::milliseconds interval_;
  bool has_watchdog_ = false;
  std::optional<SteadyTime> still_since_;
  bool told_stuck_ = false;
  asio::steady_timer timer_;
};

}  // namespace gpumodel::broker

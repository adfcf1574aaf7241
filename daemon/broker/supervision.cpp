#include "broker/supervision.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "broker/log_messages.hpp"
#include "broker/notify.hpp"
#include "broker/quantities.hpp"

namespace gpumodel::broker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStatusEvery{2'000};
constexpr milliseconds kStuckAfter{60'000};

std::string counted(std::size_t count, const char* word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

bool is_on_its_way(const core::ModelRow& model) {
  return model.state == core::ModelState::loading || model.state == core::ModelState::unloading;
}

// It will run, or memory of it comes back without anybody here doing anything.
bool may_change(const core::DeviceRow& device) {
  using State = core::DeviceRow::State;
  return device.engine == State::starting || device.engine == State::backoff ||
         device.foreign_bytes != 0 || device.yielded_bytes != 0 || device.draining;
}

}  // namespace

std::string status_words(const core::Snapshot& snapshot, std::uint64_t capacity_bytes) {
  std::uint64_t used = 0;
  for (const core::DeviceRow& device : snapshot.devices) used += device.used_bytes;
  const auto ready = static_cast<std::size_t>(std::count_if(
      snapshot.models.begin(), snapshot.models.end(),
      [](const core::ModelRow& row) { return row.state == core::ModelState::ready; }));
  std::string words =
      fmt::format("{} ready, {} of {}, {}", counted(ready, "model"), format_size(used),
                  format_size(capacity_bytes), counted(snapshot.leases.size(), "lease"));
  if (!snapshot.queue.empty()) words += fmt::format(", {} waiting", snapshot.queue.size());
  return words;
}

bool nothing_moves(const core::Snapshot& snapshot) {
  return !snapshot.queue.empty() && snapshot.leases.empty() && snapshot.yields.empty() &&
         std::none_of(snapshot.models.begin(), snapshot.models.end(), is_on_its_way) &&
         std::none_of(snapshot.devices.begin(), snapshot.devices.end(), may_change);
}

Supervision::Supervision(asio::io_context& io, const Log& log, const Config& config,
                         const Conductor& conductor)
    : log_(log), config_(config), conductor_(conductor), interval_(kStatusEvery), timer_(io) {}

void Supervision::start() {
  if (std::getenv("NOTIFY_SOCKET") == nullptr) return;
  if (const auto limit = notify::watchdog_interval()) {
    has_watchdog_ = true;
    // Twice within the limit, as sd_watchdog_enabled(3) wants it.
    interval_ = std::min(interval_, std::chrono::duration_cast<milliseconds>(*limit) / 2);
  }
  look();
}

void Supervision::wait() {
  timer_.expires_after(interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look();
  });
}

void Supervision::look() {
  const core::Snapshot snapshot = conductor_.core().snapshot(conductor_.now());
  std::uint64_t capacity = 0;
  for (const auto& engine : conductor_.engines()) capacity += engine->device().capacity_bytes;
  notify::status(status_words(snapshot, capacity));  // again and again: a reload says its own
  if (has_watchdog_ && !is_stuck(snapshot)) notify::works();
  wait();
}

bool Supervision::is_stuck(const core::Snapshot& snapshot) {
  if (!nothing_moves(snapshot)) {
    still_since_.reset();
    told_stuck_ = false;
    return false;
  }
  const SteadyTime now = std::chrono::steady_clock::now();
  if (!still_since_) still_since_ = now;
  if (now - *still_since_ < kStuckAfter + config_.daemon.min_residency) return false;
  if (!told_stuck_) {
    told_stuck_ = true;
    log_.error(messages::kStuck, {{"REQUESTS", std::to_string(snapshot.queue.size())},
                                  {"REASON", snapshot.queue.front().reason}});
  }
  return true;
}

}  // namespace gpumodel::broker

// What the daemon counts since its start, as values: no I/O, no clock, no text. The loop adds where
// things happen, some nanoseconds each; metrics_report.hpp tells it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/effects.hpp"
#include "wire/error.hpp"
#include "wire/messages.hpp"

namespace gpumodel::broker {

// Durations, counted by the least bound that is not below them.
class Histogram {
 public:
  using Duration = std::chrono::microseconds;
  using Bounds = std::span<const Duration>;
  static constexpr std::size_t kMostBounds = 16;

  // `bounds`: ascending, at most kMostBounds; they outlive the histogram.
  explicit Histogram(Bounds bounds) : bounds_(bounds) {}

  void observe(Duration value);
  Bounds bounds() const { return bounds_; }
  std::uint64_t count() const { return count_; }
  Duration sum() const { return sum_; }
  // Of those up to bounds()[bound], itself included.
  std::uint64_t count_up_to(std::size_t bound) const;

 private:
  Bounds bounds_;
  std::array<std::uint64_t, kMostBounds + 1> counts_{};  // the last one: above all bounds
  std::uint64_t count_ = 0;
  Duration sum_{0};
};

// How often what error was answered.
class ErrorCounts {
 public:
  void add(wire::Code code) { ++counts_[index(code)]; }
  std::uint64_t of(wire::Code code) const { return counts_[index(code)]; }

 private:
  static constexpr std::size_t kCodes = 128;  // -1 to -127; 0: a number that is no code
  static std::size_t index(wire::Code code) {
    const auto number = -static_cast<std::int64_t>(code);
    return number > 0 && number < std::int64_t{kCodes} ? static_cast<std::size_t>(number) : 0;
  }
  std::array<std::uint64_t, kCodes> counts_{};
};

namespace bounds {
extern const Histogram::Bounds kWait;    // 1 ms to 10 min
extern const Histogram::Bounds kLoad;    // 5 ms to 5 min
extern const Histogram::Bounds kUnload;  // 1 ms to 30 s
extern const Histogram::Bounds kAnswer;  // 1 ms to 4 min
extern const Histogram::Bounds kToken;   // 1 ms to 1 s
}  // namespace bounds

// How a generation ended, where not by an error.
enum class Finish { stop, length, cancelled, deadline, disconnected, other };
inline constexpr std::size_t kFinishes = 6;
// "stop"; `other` for a word that is none of them.
Finish finish_of(std::string_view word);
const char* word(Finish finish);

struct ModelCounts {
  // ---- leases
  std::uint64_t granted = 0;
  std::uint64_t ended = 0;
  std::uint64_t suspended = 0;
  std::uint64_t resumed = 0;
  Histogram lease_wait{bounds::kWait};  // in the queue, loading not included
  // ---- generations
  std::array<std::uint64_t, kFinishes> finished{};
  ErrorCounts failed;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_tokens = 0;
  std::uint64_t output_tokens = 0;
  Histogram queue{bounds::kAnswer};
  Histogram first_token{bounds::kAnswer};
  Histogram per_token{bounds::kToken};
  Histogram whole{bounds::kAnswer};
  // ---- memory
  Histogram load_from_disk{bounds::kLoad};
  Histogram load_from_host{bounds::kLoad};
  Histogram adapter_load{bounds::kLoad};
  std::uint64_t loaded_bytes = 0;
  std::uint64_t failed_loads = 0;
  std::uint64_t evicted = 0;
  Histogram unload{bounds::kUnload};
  std::uint64_t freed_bytes = 0;
  std::uint64_t residual_bytes = 0;
  std::uint64_t residuals = 0;  // unloads that left more than the threshold
};

struct DeviceCounts {
  std::uint64_t engine_starts = 0;
  std::uint64_t engine_losses = 0;
};

// What a client may break; `first_message` and `output` are limits that it ran into.
enum class Breach { framing, request_id, first_message, output };
inline constexpr std::size_t kBreaches = 4;
const char* word(Breach breach);

struct ClientCounts {
  std::uint64_t accepted = 0;  // connections
  std::uint64_t refused = 0;
  std::array<std::uint64_t, kBreaches> breaches{};
  std::uint64_t abandoned = 0;  // requests whose connection ended before their answer
};

struct MethodCounts {
  std::string_view name;
  std::uint64_t ok = 0;
  ErrorCounts failed;
};

class Metrics {
 public:
  // Rows of methods(): requests that were refused unread, those of unknown methods, and then
  // the known ones in their order.
  static constexpr std::size_t kUnread = 0;
  static constexpr std::size_t kUnknown = 1;
  static constexpr std::size_t kFirstMethod = 2;

  // `methods`: the names that are served; they outlive this.
  explicit Metrics(const std::vector<std::string_view>& methods);

  // ---- clients
  void connected() { ++clients_.accepted; }
  void turned_away() { ++clients_.refused; }
  void breached(Breach breach) { ++clients_.breaches[static_cast<std::size_t>(breach)]; }
  void abandoned(std::size_t requests) { clients_.abandoned += requests; }
  void answered(std::size_t method) { ++methods_[method].ok; }
  void failed(std::size_t method, wire::Code code) { methods_[method].failed.add(code); }

  // ---- decisions
  void granted(const core::Granted& granted);
  void happened(const core::Happened& happened);

  // ---- generations; each ends once, by one of the first two
  void generation_finished(core::ModelId model, Finish finish);
  void generation_failed(core::ModelId model, wire::Code code);
  // What an engine spent on one, however it ended. `waited`: for its model, before it was sent.
  void generation_used(core::ModelId model, const wire::Usage& usage, core::Time waited);

  const ClientCounts& clients() const { return clients_; }
  const std::vector<MethodCounts>& methods() const { return methods_; }
  // nullptr where nothing has been counted.
  const ModelCounts* find(core::ModelId model) const;
  const DeviceCounts* find(core::DeviceId device) const;
  std::uint64_t filled_images() const { return filled_images_; }
  std::uint64_t dropped_images() const { return dropped_images_; }

 private:
  ModelCounts& of(core::ModelId model);
  DeviceCounts& of(core::DeviceId device);
  void model_happened(const core::Happened& happened);

  ClientCounts clients_;
  std::vector<MethodCounts> methods_;
  std::vector<ModelCounts> models_;    // ModelId n is the n-th
  std::vector<DeviceCounts> devices_;  // DeviceId n is the n-th
  std::uint64_t filled_images_ = 0;
  std::uint64_t dropped_images_ = 0;
};

}  // namespace gpumodel::broker

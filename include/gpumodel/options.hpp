// The plain structs of gpumodel.hpp. Their defaults are gpumodel.h's.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "result.hpp"

namespace gpumodel {

// How long a call may wait: a duration, a point of the steady clock, or kWaitForever. What is in
// the past waits no longer; a duration of 0 asks and returns where a handle is asked, and is
// refused (GM_E_INVALID) where only the call's return can give the answer.
class Timeout {
 public:
  template <class Rep, class Period>
  constexpr Timeout(std::chrono::duration<Rep, Period> limit) : ms_(whole_ms(limit)) {}
  template <class Duration>
  Timeout(std::chrono::time_point<std::chrono::steady_clock, Duration> deadline)
      : ms_(std::max(1, whole_ms(deadline - std::chrono::steady_clock::now()))) {}
  static constexpr Timeout forever() { return Timeout(); }

  constexpr std::int32_t ms() const noexcept { return ms_; }  // as gpumodel.h takes it

 private:
  constexpr Timeout() = default;
  // Rounded up, since a limit of 100 us is not none at all; at most the 24 days that fit.
  template <class Rep, class Period>
  static constexpr std::int32_t whole_ms(std::chrono::duration<Rep, Period> limit) {
    using Wide = std::chrono::duration<double, std::milli>;
    constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
    if (!(limit > limit.zero())) return 0;
    if (Wide(limit).count() >= kMost) return kMost;
    return static_cast<std::int32_t>(std::chrono::ceil<std::chrono::milliseconds>(limit).count());
  }

  std::int32_t ms_ = GM_WAIT_FOREVER;
};
inline constexpr Timeout kWaitForever = Timeout::forever();

// ---- events ---------------------------------------------------------------------------------

enum class EventType : std::uint32_t {
  queued = GM_EVENT_QUEUED,          // an acquire waits: position, eta
  loading = GM_EVENT_LOADING,        // a model is being loaded for it: fraction, eta
  suspended = GM_EVENT_SUSPENDED,    // an idle lease lent its memory to a waiter
  resumed = GM_EVENT_RESUMED,        // its model is back
  lease_lost = GM_EVENT_LEASE_LOST,  // it was revoked: its calls give GM_E_LEASE_LOST
  draining = GM_EVENT_DRAINING,      // the daemon takes no new work
  disconnected = GM_EVENT_DISCONNECTED,
  daemon = GM_EVENT_DAEMON  // after subscribe(): json
};

struct Event {
  EventType type{};
  gm_lease* lease = nullptr;         // as Lease::handle(); null where no lease is meant
  std::uint32_t position = 0;        // 1: next
  float fraction = 0;                // 0..1
  std::chrono::milliseconds eta{0};  // 0: unknown
  std::string_view json;             // EventType::daemon only; valid in the callback
};

// ---- connection and leases ------------------------------------------------------------------

struct ClientOptions {
  std::string socket_path;  // empty: $GPUMODEL_SOCKET (not in setuid programs), else the default
  std::string app_name;     // shown by gpumodelctl, at most 64 bytes; empty: the program's name
  Timeout timeout = std::chrono::seconds(5);  // for connecting and saying hello
  bool return_on_signal = false;              // EINTR gives GM_E_INTERRUPTED instead of a retry
  // Runs inside calls of the program's own, one at a time. It may call anything but what frees the
  // client, or the handle that the call it runs in waits on. See rethrow_from_event().
  std::function<void(const Event&)> on_event;
};

struct LeaseOptions {
  Timeout wait =
      kWaitForever;  // how long it may queue; loading is not counted; 0: now or GM_E_BUSY
  std::uint32_t context_tokens = 0;  // ceiling for prompt plus output; 0: the model's own
  bool only_if_ready = false;        // never cause a load: GM_E_BUSY instead
  bool wait_foreign = false;         // wait for other programs' memory instead of failing
};

enum class LeaseState : std::uint32_t {
  pending = GM_LEASE_PENDING,
  held = GM_LEASE_HELD,
  suspended = GM_LEASE_SUSPENDED,
  resuming = GM_LEASE_RESUMING,
  ended = GM_LEASE_ENDED
};

struct LeaseInfo {
  std::uint64_t id = 0;
  std::uint64_t epoch = 0;
  LeaseState state{};
  std::uint32_t context_tokens = 0;
  std::string model;
};

enum class ModelState : std::uint32_t {
  not_loaded = GM_MODEL_NOT_LOADED,
  loading = GM_MODEL_LOADING,
  ready = GM_MODEL_READY,
  suspended = GM_MODEL_SUSPENDED,
  unloading = GM_MODEL_UNLOADING,
  unloaded = GM_MODEL_UNLOADED,
  failed = GM_MODEL_FAILED
};

struct ModelInfo {
  std::string name;  // texts are empty where a fact is unknown
  std::string architecture;
  std::string dtype;
  std::uint64_t parameters = 0;
  std::uint64_t device_bytes = 0;  // needed on the device
  std::uint32_t context_tokens = 0;
  ModelState state{};  // advice only: it may have changed
  std::uint32_t leases = 0;
  std::uint32_t waiting = 0;
};

// ---- generations ----------------------------------------------------------------------------

struct Message {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
};

// A function that the model may ask to have called, if its chat template knows of such.
struct Tool {
  std::string name;
  std::string description;
  std::string parameters = "{}";  // a JSON schema
};

using LogitBias = gm_logit_bias;  // {token, bias}; a bias of -INFINITY forbids the token

// What has no value is the model's own default.
struct GenerateOptions {
  std::optional<std::int32_t> max_tokens;  // none: as many as the context allows
  std::optional<float> temperature;        // 0: greedy
  std::optional<float> top_p;
  std::optional<std::int32_t> top_k;  // 0: all
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
  float presence_penalty = 0;   // -2..2
  float frequency_penalty = 0;  // -2..2
  std::vector<LogitBias> logit_bias;
  std::optional<std::int64_t> seed;  // none: a fresh one, reported in the summary
  std::vector<std::string> stop;     // none of them appears in the output
  std::string json_schema;           // at most one of these three; empty: none
  std::string regex;
  std::string grammar;
  bool logprobs = false;           // Chunk::logprobs is filled
  std::uint32_t top_logprobs = 0;  // that many of the likeliest for each token; 0..20
  bool ignore_eos = false;         // end only at max_tokens, a stop string or a limit
  // From the call on, waiting included. One that has passed already leaves a millisecond.
  std::optional<std::chrono::milliseconds> deadline;
};

enum class Finish : std::uint32_t {
  stop = GM_FINISH_STOP,
  length = GM_FINISH_LENGTH,
  cancelled = GM_FINISH_CANCELLED,
  deadline = GM_FINISH_DEADLINE,
  error = GM_FINISH_ERROR
};

// How a generation ended and what it took.
struct Summary {
  Finish finish{};
  std::uint32_t prompt_tokens = 0;
  std::uint32_t cached_tokens = 0;  // of prompt_tokens: not computed again
  std::uint32_t output_tokens = 0;
  std::int64_t seed = 0;
  std::chrono::microseconds queue_time{0};        // until it was first scheduled
  std::chrono::microseconds first_token_time{0};  // since it was sent
  std::chrono::microseconds total_time{0};
};

struct Completion {
  std::string text;
  Summary summary;
};

}  // namespace gpumodel

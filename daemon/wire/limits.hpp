// Limits of the protocol (PROTOCOL.md "Limits"), the same for clients, broker and engines.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gpumodel::wire {

inline constexpr int kProtocolVersion = 1;

// Checked before anything is allocated for a message.
struct FrameLimits {
  std::size_t message_bytes = 16u << 20;
  std::uint32_t depth = 32;
  // Values in one message, containers and map keys included: bounds what decoding may allocate.
  std::uint32_t values = 1u << 20;
};

inline constexpr std::size_t kOutputLimitBytes = 8u << 20;
inline constexpr std::size_t kOutputCloseBytes = 2 * kOutputLimitBytes;
inline constexpr std::uint32_t kMaxConnectionsPerUser = 64;
inline constexpr std::uint32_t kMaxInFlight = 64;
inline constexpr std::chrono::seconds kFirstMessageWithin{5};

// Descriptors that came and that no frame has named yet.
inline constexpr std::size_t kMaxWaitingFds = 16;

inline constexpr std::size_t kMaxAppNameBytes = 64;
inline constexpr std::size_t kMaxModelsPerLease = 16;
inline constexpr std::size_t kMaxModelNameBytes = 128;
inline constexpr std::size_t kMaxStopStrings = 16;
inline constexpr std::size_t kMaxStopBytes = 256;
// Of a JSON schema, a regular expression or a grammar.
inline constexpr std::size_t kMaxConstraintBytes = 256 * 1024;
inline constexpr std::size_t kMaxLogitBiases = 1024;
inline constexpr std::uint32_t kMaxTopLogprobs = 20;

inline constexpr std::uint32_t kKeptEvents = 1024;
inline constexpr std::uint32_t kMaxEvents = 1000;
inline constexpr std::uint32_t kDefaultEvents = 100;
// A subscriber that leaves more unread misses events.
inline constexpr std::size_t kMaxUnreadEventBytes = 1u << 20;
inline constexpr std::size_t kMaxDecisions = 32;
inline constexpr std::size_t kMaxReasonBytes = 256;
inline constexpr std::uint64_t kMaxYieldMs = 366ull * 24 * 3600 * 1000;

}  // namespace gpumodel::wire

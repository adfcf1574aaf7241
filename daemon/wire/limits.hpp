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

inline constexpr std::size_t kMaxAppNameBytes = 64;
inline constexpr std::size_t kMaxModelsPerLease = 16;
inline constexpr std::size_t kMaxModelNameBytes = 128;
inline constexpr std::size_t kMaxStopStrings = 16;
inline constexpr std::size_t kMaxStopBytes = 256;
inline constexpr std::size_t kMaxLogitBiases = 1024;
inline constexpr std::uint32_t kMaxTopLogprobs = 20;

}  // namespace gpumodel::wire

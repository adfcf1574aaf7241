// What running generations have emitted, for `status`: told by the engine's chunks, and by its
// answer at the end.
#pragma once

#include <msgpack.hpp>
#include <optional>
#include <unordered_map>

#include "core/types.hpp"

namespace gpumodel::broker {

// One generation. A request that is not streamed says nothing before its end.
struct GenerationProgress {
  std::optional<core::Time> first_token;  // on the daemon's clock
  std::uint64_t output_tokens = 0;

  void count(const msgpack::object& chunk, core::Time now);
};

// `usage.output_tokens` of an engine's answer; 0 where it has none.
std::uint64_t output_tokens_of(const msgpack::object& result);

// Emitted on each lease by the generations that have ended.
class LeaseTokens {
 public:
  // Begins to count; what is there stays.
  void open(core::LeaseId lease) { tokens_.try_emplace(lease, 0); }
  // Nothing happens where the lease has gone: an engine may answer later than its client left.
  void add(core::LeaseId lease, std::uint64_t tokens);
  void forget(core::LeaseId lease) { tokens_.erase(lease); }
  std::uint64_t of(core::LeaseId lease) const;

 private:
  std::unordered_map<core::LeaseId, std::uint64_t> tokens_;
};

}  // namespace gpumodel::broker

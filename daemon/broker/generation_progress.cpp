#include "broker/generation_progress.hpp"

#include "wire/codec.hpp"

namespace gpumodel::broker {
namespace {

struct EndedUsage {
  std::uint64_t output_tokens = 0;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("output_tokens", self.output_tokens);
  }
};

struct Ended {
  EndedUsage usage;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("usage", self.usage);
  }
};

}  // namespace

// The array is counted where it lies: a chunk is passed on without being decoded.
void GenerationProgress::count(const msgpack::object& chunk, core::Time now) {
  if (chunk.type != msgpack::type::MAP) return;
  for (std::uint32_t i = 0; i < chunk.via.map.size; ++i) {
    const msgpack::object_kv& pair = chunk.via.map.ptr[i];
    if (pair.key.type != msgpack::type::STR || pair.val.type != msgpack::type::ARRAY) continue;
    if (std::string_view(pair.key.via.str.ptr, pair.key.via.str.size) != "tokens") continue;
    output_tokens += pair.val.via.array.size;
    if (!first_token && pair.val.via.array.size != 0) first_token = now;
  }
}

std::uint64_t output_tokens_of(const msgpack::object& result) {
  try {
    return wire::decode<Ended>(result).usage.output_tokens;
  } catch (const wire::Error&) {  // an answer goes to its client as it is, right or wrong
    return 0;
  }
}

void LeaseTokens::add(core::LeaseId lease, std::uint64_t tokens) {
  if (const auto found = tokens_.find(lease); found != tokens_.end()) found->second += tokens;
}

std::uint64_t LeaseTokens::of(core::LeaseId lease) const {
  const auto found = tokens_.find(lease);
  return found == tokens_.end() ? 0 : found->second;
}

}  // namespace gpumodel::broker

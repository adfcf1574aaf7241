#include "engine/text/vocabulary.hpp"

#include <algorithm>
#include <bit>

#include "engine/text/hash.hpp"

namespace gpumodel::engine::text {
namespace {

constexpr std::size_t kMinSlots = 1024;

}  // namespace

void Vocabulary::reserve(std::size_t tokens, std::size_t bytes) {
  arena_.reserve(bytes);
  by_id_.reserve(tokens);
  grow(std::bit_ceil(std::max(tokens * 2, kMinSlots)));
}

std::size_t Vocabulary::slot(std::string_view token, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id < 0) return at;
    if (slot.hash == tag && view(by_id_[static_cast<std::size_t>(slot.id)]) == token) return at;
  }
}

void Vocabulary::grow(std::size_t slots) {
  slots_.assign(slots, Slot());
  for (std::size_t id = 0; id < by_id_.size(); ++id) {
    if (by_id_[id].bytes < 0) continue;
    const std::uint64_t hash = hash_bytes(view(by_id_[id]));
    slots_[slot(view(by_id_[id]), hash)] = {static_cast<std::uint32_t>(hash >> 32),
                                            static_cast<std::int32_t>(id)};
  }
}

Vocabulary::Added Vocabulary::add(std::string_view token, std::int32_t id) {
  if (slots_.size() < 2 * (tokens_ + 1)) grow(std::max(slots_.size() * 2, kMinSlots));
  const std::uint64_t hash = hash_bytes(token);
  const std::size_t at = slot(token, hash);
  if (slots_[at].id >= 0) return Added::kDuplicateToken;
  const auto index = static_cast<std::size_t>(id);
  if (index >= by_id_.size()) by_id_.resize(index + 1);
  if (by_id_[index].bytes >= 0) return Added::kDuplicateId;
  by_id_[index] = {static_cast<std::uint32_t>(arena_.size()),
                   static_cast<std::int32_t>(token.size())};
  arena_.append(token);
  slots_[at] = {static_cast<std::uint32_t>(hash >> 32), id};
  ++tokens_;
  return Added::kYes;
}

std::optional<std::int32_t> Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const std::int32_t id = slots_[slot(token, hash_bytes(token))].id;
  return id >= 0 ? std::optional(id) : std::nullopt;
}

std::optional<std::string_view> Vocabulary::token(std::int32_t id) const {
  if (id < 0 || id >= id_limit()) return std::nullopt;
  const Entry& entry = by_id_[static_cast<std::size_t>(id)];
  return entry.bytes >= 0 ? std::optional(view(entry)) : std::nullopt;
}

}  // namespace gpumodel::engine::text

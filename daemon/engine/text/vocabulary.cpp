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

std::size_t Vocabulary::slot(std::string_view token) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash_bytes(token) & mask;
  while (slots_[at] >= 0 && view(by_id_[static_cast<std::size_t>(slots_[at])]) != token) {
    at = (at + 1) & mask;
  }
  return at;
}

void Vocabulary::grow(std::size_t slots) {
  slots_.assign(slots, -1);
  for (std::size_t id = 0; id < by_id_.size(); ++id) {
    if (by_id_[id].bytes >= 0) slots_[slot(view(by_id_[id]))] = static_cast<std::int32_t>(id);
  }
}

Vocabulary::Added Vocabulary::add(std::string_view token, std::int32_t id) {
  if (slots_.size() < 2 * (tokens_ + 1)) grow(std::max(slots_.size() * 2, kMinSlots));
  const std::size_t at = slot(token);
  if (slots_[at] >= 0) return Added::kDuplicateToken;
  const auto index = static_cast<std::size_t>(id);
  if (index >= by_id_.size()) by_id_.resize(index + 1);
  if (by_id_[index].bytes >= 0) return Added::kDuplicateId;
  by_id_[index] = {static_cast<std::uint32_t>(arena_.size()),
                   static_cast<std::int32_t>(token.size())};
  arena_.append(token);
  slots_[at] = id;
  ++tokens_;
  return Added::kYes;
}

std::optional<std::int32_t> Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const std::int32_t id = slots_[slot(token)];
  return id >= 0 ? std::optional(id) : std::nullopt;
}

std::optional<std::string_view> Vocabulary::token(std::int32_t id) const {
  if (id < 0 || id >= id_limit()) return std::nullopt;
  const Entry& entry = by_id_[static_cast<std::size_t>(id)];
  return entry.bytes >= 0 ? std::optional(view(entry)) : std::nullopt;
}

}  // namespace gpumodel::engine::text

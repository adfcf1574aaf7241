// Token strings and their ids, both ways.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpumodel::engine::text {

// Ids above this are refused: tables are indexed by id, and no model comes near.
inline constexpr std::int32_t kMaxTokenId = (1 << 22) - 1;

// Each id has one string and each string one id. Lookups are const and thread-safe.
class Vocabulary {
 public:
  enum class Added { kYes, kDuplicateToken, kDuplicateId };

  // Room for so many tokens of so many bytes together.
  void reserve(std::size_t tokens, std::size_t bytes);

  // `id` is 0 to kMaxTokenId. Adds nothing where the answer is not kYes.
  Added add(std::string_view token, std::int32_t id);

  std::optional<std::int32_t> find(std::string_view token) const;
  // Null where no token has the id.
  std::optional<std::string_view> token(std::int32_t id) const;

  std::size_t size() const { return tokens_; }
  // The largest id plus one; 0 when empty.
  std::int32_t id_limit() const { return static_cast<std::int32_t>(by_id_.size()); }

 private:
  struct Entry {
    std::uint32_t offset = 0;
    std::int32_t bytes = -1;  // -1: the id is free
  };

  // The hash is kept beside the id, so that a search reads other memory only where it will match.
  struct Slot {
    std::uint32_t hash = 0;
    std::int32_t id = -1;  // -1: free
  };

  std::string_view view(const Entry& entry) const {
    return std::string_view(arena_).substr(entry.offset, static_cast<std::size_t>(entry.bytes));
  }
  // The slot that holds `token`, or the free one where it belongs.
  std::size_t slot(std::string_view token, std::uint64_t hash) const;
  void grow(std::size_t slots);

  std::string arena_;
  std::vector<Entry> by_id_;
  std::vector<Slot> slots_;  // open addressing; a power of two
  std::size_t tokens_ = 0;
};

}  // namespace gpumodel::engine::text

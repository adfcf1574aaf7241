// Byte-pair encoding of one word: the "model" of tokenizer.json with type BPE.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/tokenizer_file.hpp"
#include "engine/text/vocabulary.hpp"

namespace gpumodel::engine::text {

class AddedTokens;
class JsonNode;

// The working memory of one thread's encoding, with a cache of short words; bounded.
class BpeState {
 public:
  BpeState();

 private:
  friend class Bpe;

  static constexpr std::size_t kCacheSlots = 1 << 13;
  static constexpr std::size_t kMaxCachedBytes = 22;
  static constexpr std::size_t kMaxCachedIds = 6;

  struct Cached {
    std::uint8_t bytes = 0;  // 0: empty
    std::uint8_t ids = 0;
    std::array<char, kMaxCachedBytes> word;
    std::array<std::int32_t, kMaxCachedIds> id;
  };
  struct Symbol {
    std::int32_t id;
    std::uint32_t units;     // how many of the word's first symbols it covers; 0: merged away
    std::uint32_t previous;  // kNone at the ends
    std::uint32_t next;
  };
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t position;
    std::int32_t merged_id;
    std::uint32_t units;  // of both symbols together when it was found
  };

  std::vector<Cached> cache_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
  std::string key_;
};

// Immutable, thread-safe with one BpeState per thread.
//
// The algorithm (Sennrich et al. 2016, section 3.2): a word starts as its characters; the adjacent
// pair with the lowest rank, the leftmost of equals, is merged until no pair is in the table. Here
// with a heap over a linked list, so that n characters take n log n.
class Bpe {
 public:
  // `model` is the object without its tables, `file` has them. Special tokens in `added` never
  // come out of a word, neither by merging nor whole; but the unknown token may be one. Throws
  // BadModel: another type, dropout, prefixes and suffixes, unknown tokens in merges.
  static Bpe parse(const JsonNode& model, TokenizerFile file, const AddedTokens& added);

  // Appends the ids of `word`. With `byte_level` each of its bytes is a character of the
  // vocabulary's (see byte_level.hpp), without it is UTF-8.
  void encode(std::string_view word, bool byte_level, BpeState& state,
              std::vector<std::int32_t>& ids) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  // What a character becomes before merging: its token; its bytes' tokens; or unknown.
  struct Units {
    enum class Kind : std::uint8_t { kToken, kBytes, kUnknown } kind = Kind::kUnknown;
    std::uint8_t count = 0;
    std::array<std::int32_t, 4> ids{};
  };
  struct Merge {
    std::uint64_t pair = kNoPair;
    std::uint32_t rank = 0;
    std::int32_t merged_id = 0;
  };
  static constexpr std::uint64_t kNoPair = ~std::uint64_t{0};

  static constexpr std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 |
           static_cast<std::uint32_t>(right);
  }

  void read_options(const JsonNode& model);
  void read_merges(const TokenizerFile& file);
  void read_characters();
  std::optional<std::int32_t> ordinary_id(std::string_view token) const;
  Units units_of(std::string_view character) const;
  const Merge* find_merge(std::int32_t left, std::int32_t right) const;
  void insert_merge(std::int32_t left, std::int32_t right, std::uint32_t rank, std::int32_t id);

  void encode_uncached(std::string_view word, bool byte_level, BpeState& state,
                       std::vector<std::int32_t>& ids) const;
  void split_symbols(std::string_view word, bool byte_level, BpeState& state) const;
  void push_candidate(std::uint32_t position, BpeState& state) const;
  void merge_by_scan(BpeState& state) const;
  void merge_by_heap(BpeState& state) const;

  Vocabulary vocabulary_;
  std::vector<bool> is_special_;  // by id
  std::vector<Merge> merges_;     // open addressing, a power of two
  std::array<Units, 256> units_of_byte_;
  std::array<Units, 128> units_of_ascii_;
  std::array<std::int32_t, 256> byte_tokens_;  // <0x00> to <0xFF>, -1 where missing
  std::optional<std::int32_t> unknown_id_;
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;
};

}  // namespace gpumodel::engine::text

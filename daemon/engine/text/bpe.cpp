#include "engine/text/bpe.hpp"

#include <algorithm>

#include "engine/text/byte_level.hpp"
#include "engine/text/hash.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {
namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};
// Below this a scan over all pairs beats the heap.
constexpr std::size_t kMaxScannedSymbols = 24;

struct Later {
  template <typename Candidate>
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  }
};

}  // namespace

BpeState::BpeState() : cache_(kCacheSlots) {}

const Bpe::Merge* Bpe::find_merge(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = pair_key(left, right);
  const std::size_t mask = merges_.size() - 1;
  for (std::size_t at = mix(pair) & mask;; at = (at + 1) & mask) {
    if (merges_[at].pair == pair) return &merges_[at];
    if (merges_[at].pair == kNoPair) return nullptr;
  }
}

void Bpe::encode(std::string_view word, bool byte_level, BpeState& state,
                 std::vector<std::int32_t>& ids) const {
  if (word.empty()) return;
  if (word.size() > BpeState::kMaxCachedBytes) {
    encode_uncached(word, byte_level, state, ids);
    return;
  }
  // Both ways of reading a word never meet in one state, as a tokenizer uses one of them.
  BpeState::Cached& slot = state.cache_[hash_bytes(word) % BpeState::kCacheSlots];
  if (std::string_view(slot.word.data(), slot.bytes) == word) {
    ids.insert(ids.end(), slot.id.begin(), slot.id.begin() + slot.ids);
    return;
  }
  const std::size_t start = ids.size();
  encode_uncached(word, byte_level, state, ids);
  const std::size_t count = ids.size() - start;
  if (count > BpeState::kMaxCachedIds) return;
  slot.bytes = static_cast<std::uint8_t>(word.size());
  slot.ids = static_cast<std::uint8_t>(count);
  std::copy(word.begin(), word.end(), slot.word.begin());
  std::copy(ids.begin() + static_cast<std::ptrdiff_t>(start), ids.end(), slot.id.begin());
}

void Bpe::encode_uncached(std::string_view word, bool byte_level, BpeState& state,
                          std::vector<std::int32_t>& ids) const {
  if (ignore_merges_) {
    std::string_view key = word;
    if (byte_level) {
      state.key_.clear();
      append_byte_level(state.key_, word);
      key = state.key_;
    }
    if (const std::optional<std::int32_t> whole = ordinary_id(key)) {
      ids.push_back(*whole);
      return;
    }
  }
  split_symbols(word, byte_level, state);
  if (state.symbols_.size() <= kMaxScannedSymbols) {
    merge_by_scan(state);
  } else {
    merge_by_heap(state);
  }
  for (const BpeState::Symbol& symbol : state.symbols_) {
    if (symbol.units > 0) ids.push_back(symbol.id);
  }
}

// Unknown characters are held back until the next known one, so that a run of them can become one
// token; a character that falls back to bytes does not end such a run, in `tokenizers` either.
void Bpe::split_symbols(std::string_view word, bool byte_level, BpeState& state) const {
  std::vector<BpeState::Symbol>& symbols = state.symbols_;
  symbols.clear();
  const auto add = [&](std::int32_t id) {
    const auto at = static_cast<std::uint32_t>(symbols.size());
    symbols.push_back({id, 1, at == 0 ? kNone : at - 1, at + 1});
  };
  bool unknown_waits = false;
  for (std::size_t offset = 0; offset < word.size();) {
    const auto lead = static_cast<unsigned char>(word[offset]);
    const std::size_t width = byte_level ? 1 : utf8_width(lead);
    Units looked_up;
    const Units* units = &looked_up;
    if (byte_level) {
      units = &units_of_byte_[lead];
    } else if (lead < 0x80) {
      units = &units_of_ascii_[lead];
    } else {
      looked_up = units_of(word.substr(offset, width));
    }
    offset += width;
    if (units->kind == Units::Kind::kUnknown) {
      if (unknown_waits && !fuse_unknown_) add(*unknown_id_);
      unknown_waits = unknown_id_.has_value();
      continue;
    }
    if (unknown_waits && units->kind == Units::Kind::kToken) {
      add(*unknown_id_);
      unknown_waits = false;
    }
    for (std::size_t i = 0; i < units->count; ++i) add(units->ids[i]);
  }
  if (unknown_waits) add(*unknown_id_);
  if (!symbols.empty()) symbols.back().next = kNone;
}

void Bpe::merge_by_scan(BpeState& state) const {
  std::vector<BpeState::Symbol>& symbols = state.symbols_;
  // best[i]: the merge of symbols i and i + 1.
  std::array<const Merge*, kMaxScannedSymbols> best;
  std::size_t count = symbols.size();
  for (std::size_t i = 0; i + 1 < count; ++i)
    best[i] = find_merge(symbols[i].id, symbols[i + 1].id);
  while (count > 1) {
    std::size_t lowest = count;
    for (std::size_t i = 0; i + 1 < count; ++i) {
      if (best[i] != nullptr && (lowest == count || best[i]->rank < best[lowest]->rank)) lowest = i;
    }
    if (lowest == count) break;
    symbols[lowest].id = best[lowest]->merged_id;
    for (std::size_t i = lowest + 1; i + 1 < count; ++i) {
      symbols[i].id = symbols[i + 1].id;
      best[i] = i + 2 < count ? best[i + 1] : nullptr;
    }
    --count;
    if (lowest > 0) best[lowest - 1] = find_merge(symbols[lowest - 1].id, symbols[lowest].id);
    if (lowest + 1 < count) best[lowest] = find_merge(symbols[lowest].id, symbols[lowest + 1].id);
  }
  symbols.resize(count);
}

void Bpe::push_candidate(std::uint32_t position, BpeState& state) const {
  const BpeState::Symbol& left = state.symbols_[position];
  if (left.next == kNone) return;
  const BpeState::Symbol& right = state.symbols_[left.next];
  const Merge* merge = find_merge(left.id, right.id);
  if (merge == nullptr) return;
  state.heap_.push_back({merge->rank, position, merge->merged_id, left.units + right.units});
  std::push_heap(state.heap_.begin(), state.heap_.end(), Later());
}

void Bpe::merge_by_heap(BpeState& state) const {
  std::vector<BpeState::Symbol>& symbols = state.symbols_;
  state.heap_.clear();
  for (std::uint32_t i = 0; i + 1 < symbols.size(); ++i) push_candidate(i, state);
  while (!state.heap_.empty()) {
    std::pop_heap(state.heap_.begin(), state.heap_.end(), Later());
    const BpeState::Candidate candidate = state.heap_.back();
    state.heap_.pop_back();
    BpeState::Symbol& left = symbols[candidate.position];
    if (left.units == 0 || left.next == kNone) continue;
    BpeState::Symbol& right = symbols[left.next];
    // Symbols only grow: with any other length one of the two has been merged since.
    if (left.units + right.units != candidate.units) continue;
    left.id = candidate.merged_id;
    left.units = candidate.units;
    left.next = right.next;
    right.units = 0;
    if (left.next != kNone) symbols[left.next].previous = candidate.position;
    if (left.previous != kNone) push_candidate(left.previous, state);
    push_candidate(candidate.position, state);
  }
}

}  // namespace gpumodel::engine::text

#include "engine/text/added_tokens.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "engine/text/char_class.hpp"
#include "engine/text/json_node.hpp"
#include "engine/text/unicode.hpp"
#include "engine/text/utf8.hpp"
#include "engine/text/vocabulary.hpp"

namespace gpumodel::engine::text {
namespace {

// Bounds the work per byte of text.
constexpr std::size_t kMaxContentBytes = 512;

bool all_trusted(const TracedText& text, std::size_t begin, std::size_t end) {
  return text.traced() && std::string_view(text.trusted).substr(begin, end - begin).find('\0') ==
                              std::string_view::npos;
}

// Where the character that ends before `end` starts.
std::size_t character_before(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

std::size_t skip_space_back(std::string_view text, std::size_t at, std::size_t limit) {
  while (at > limit) {
    const std::size_t start = character_before(text, at);
    std::size_t offset = start;
    if (!is_white_space(next_code_point(text, offset))) break;
    at = start;
  }
  return at;
}

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    std::size_t offset = at;
    if (!is_white_space(next_code_point(text, offset))) break;
    at = offset;
  }
  return at;
}

AddedToken parse_token(const JsonNode& node) {
  AddedToken token;
  token.id = static_cast<std::int32_t>(node.at("id").integer(0, kMaxTokenId));
  token.content = node.string("content");
  if (token.content.empty()) node.at("content").fail("expected a string that is not empty");
  if (token.content.size() > kMaxContentBytes) {
    node.at("content").fail(fmt::format("longer than {} bytes", kMaxContentBytes));
  }
  token.special = node.boolean("special", false);
  token.normalized = node.boolean("normalized", !token.special);
  token.single_word = node.boolean("single_word", false);
  token.lstrip = node.boolean("lstrip", false);
  token.rstrip = node.boolean("rstrip", false);
  return token;
}

}  // namespace

void AddedTokens::Trie::add(std::string_view content, std::size_t token) {
  if (content.empty()) return;
  if (nodes_.empty()) nodes_.emplace_back();
  starts_[static_cast<unsigned char>(content[0])] = true;
  std::int32_t at = 0;
  for (const char byte : content) {
    std::int32_t next = child(at, byte);
    if (next < 0) {
      next = static_cast<std::int32_t>(nodes_.size());
      nodes_.push_back({-1, nodes_[static_cast<std::size_t>(at)].first_child, -1, byte});
      nodes_[static_cast<std::size_t>(at)].first_child = next;
    }
    at = next;
  }
  // Two contents may have one normal form; the first one counts.
  std::int32_t& slot = nodes_[static_cast<std::size_t>(at)].token;
  if (slot < 0) slot = static_cast<std::int32_t>(token);
}

std::int32_t AddedTokens::Trie::child(std::int32_t node, char byte) const {
  std::int32_t at = nodes_[static_cast<std::size_t>(node)].first_child;
  while (at >= 0 && nodes_[static_cast<std::size_t>(at)].byte != byte) {
    at = nodes_[static_cast<std::size_t>(at)].next_sibling;
  }
  return at;
}

bool AddedTokens::Trie::starts(char byte) const {
  return starts_[static_cast<unsigned char>(byte)];
}

template <typename F>
void AddedTokens::Trie::match(std::string_view text, std::size_t begin, F&& f) const {
  std::int32_t at = 0;
  for (std::size_t end = begin; end < text.size();) {
    at = child(at, text[end]);
    if (at < 0) return;
    ++end;
    const std::int32_t token = nodes_[static_cast<std::size_t>(at)].token;
    if (token >= 0) f(end, static_cast<std::size_t>(token));
  }
}

AddedTokens AddedTokens::parse(const JsonNode& node, const Normalizer& normalizer) {
  AddedTokens added;
  if (node.is_null()) return added;
  for (const JsonNode& item : node.items()) {
    AddedToken token = parse_token(item);
    if (!added.by_id_.emplace(token.id, added.tokens_.size()).second) {
      item.at("id").fail(fmt::format("the id {} is there twice", token.id));
    }
    added.tokens_.push_back(std::move(token));
  }
  for (std::size_t i = 0; i < added.tokens_.size(); ++i) {
    if (!added.by_content_.emplace(added.tokens_[i].content, i).second) {
      node.fail(fmt::format("the token with id {} is there twice", added.tokens_[i].id));
    }
  }
  added.index(normalizer);
  return added;
}

void AddedTokens::index(const Normalizer& normalizer) {
  MatchState state;
  const auto add = [&](std::size_t i) {
    AddedToken& token = tokens_[i];
    TracedText content{token.content, ""};
    if (token.normalized) normalizer.apply(content, state);
    token.decoded = std::move(content.bytes);
    (token.normalized ? normalized_ : raw_).add(token.decoded, i);
  };
  // Special ones first, as they win where two tokens have one normal form.
  for (const bool special : {true, false}) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].special == special) add(i);
    }
  }
  const auto any = [&](auto predicate) {
    return std::any_of(tokens_.begin(), tokens_.end(), predicate);
  };
  has_normalized_special_ = any([](const AddedToken& t) { return t.special && t.normalized; });
  if (any([](const AddedToken& t) { return t.single_word; })) {
    CharClass word;
    bool grew = false;
    property_class("word_or_joiner", /*newer=*/true, word, grew);
    word_character_ = Regex::compile_native(word.expression());
  }
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(content);
  return found == by_content_.end() ? nullptr : &tokens_[found->second];
}

const AddedToken* AddedTokens::find(std::int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

bool AddedTokens::is_special(std::int32_t id) const {
  const AddedToken* token = find(id);
  return token != nullptr && token->special;
}

// Whether a special token stands in trusted text and overlaps [begin, end) without being it.
bool AddedTokens::cuts_special(const TracedText& text, std::size_t begin, std::size_t end,
                               const Trie& trie) const {
  bool cuts = false;
  for (std::size_t at = begin + 1; at < end && !cuts; ++at) {
    if (!trie.starts(text.bytes[at])) continue;
    trie.match(text.bytes, at, [&](std::size_t stop, std::size_t token) {
      cuts = cuts || (tokens_[token].special && all_trusted(text, at, stop));
    });
  }
  return cuts;
}

std::optional<AddedTokens::Found> AddedTokens::longest_at(const TracedText& text, std::size_t begin,
                                                          const Trie& trie) const {
  std::optional<Found> longest;
  trie.match(text.bytes, begin, [&](std::size_t end, std::size_t token) {
    const bool trusted = all_trusted(text, begin, end);
    const bool allowed = tokens_[token].special
                             ? trusted
                             : trusted || !text.traced() || !cuts_special(text, begin, end, trie);
    if (allowed) longest = Found{token, end};
  });
  return longest;
}

bool AddedTokens::touches_word(std::string_view text, std::size_t begin, std::size_t end,
                               MatchState& state) const {
  const auto is_word = [&](std::size_t from) {
    const std::size_t width = utf8_width(static_cast<unsigned char>(text[from]));
    MatchRange match;
    return word_character_->find(text.substr(from, width), 0, /*newer=*/true, state, match);
  };
  return (begin > 0 && is_word(character_before(text, begin))) ||
         (end < text.size() && is_word(end));
}

std::vector<AddedTokens::Split> AddedTokens::split(const TracedText& text, bool normalized,
                                                   MatchState& state) const {
  const Trie& trie = normalized ? normalized_ : raw_;
  const std::string_view bytes = text.bytes;
  std::vector<Split> splits;
  std::size_t done = 0;  // everything before is in `splits`
  for (std::size_t at = 0; !trie.empty() && at < bytes.size();) {
    const std::optional<Found> found =
        trie.starts(bytes[at]) ? longest_at(text, at, trie) : std::nullopt;
    if (!found) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[found->token];
    std::size_t begin = at;
    std::size_t end = found->end;
    at = found->end;
    if (token.single_word && touches_word(bytes, begin, end, state)) continue;
    if (token.lstrip) begin = skip_space_back(bytes, begin, done);
    if (token.rstrip) end = skip_space(bytes, end);
    if (done < begin) splits.push_back({-1, done, begin});
    splits.push_back({token.id, begin, end});
    done = end;
    at = std::max(at, end);
  }
  if (done < bytes.size()) splits.push_back({-1, done, bytes.size()});
  return splits;
}

}  // namespace gpumodel::engine::text

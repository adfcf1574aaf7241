// The "added_tokens" of tokenizer.json: strings that become one token before anything else happens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/text/normalizer.hpp"
#include "engine/text/regex.hpp"
#include "engine/text/traced_text.hpp"

namespace gpumodel::engine::text {

class JsonNode;

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  std::string decoded;  // what it decodes to: the content, in normal form where `normalized`
  bool special = false;
  bool normalized = false;   // found in the normalised text, by its normalised content
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
};

// Immutable, thread-safe.
class AddedTokens {
 public:
  AddedTokens() = default;
  AddedTokens(AddedTokens&&) noexcept = default;
  AddedTokens& operator=(AddedTokens&&) noexcept = default;

  // A stretch of the text: a token, or text between tokens (id -1). Never empty.
  struct Split {
    std::int32_t id;
    std::size_t begin;
    std::size_t end;
  };

  // `node` is the array, or null. Refuses (BadModel) an id or a content twice.
  static AddedTokens parse(const JsonNode& node, const Normalizer& normalizer);

  const std::vector<AddedToken>& tokens() const { return tokens_; }
  const AddedToken* find(std::string_view content) const;
  const AddedToken* find(std::int32_t id) const;
  bool is_special(std::int32_t id) const;

  // Whether any special token is looked for in normalised text.
  bool has_normalized_special() const { return has_normalized_special_; }

  // Cuts `text` at the tokens with this `normalized`, leftmost first and longest where several
  // start together. A special token counts only where all its bytes are trusted, and no other
  // token may reach from untrusted text into one: user text neither makes nor breaks special
  // tokens (except by touching one that is single_word).
  std::vector<Split> split(const TracedText& text, bool normalized, MatchState& state) const;

 private:
  // A trie over bytes, for one of the two kinds.
  class Trie {
   public:
    void add(std::string_view content, std::size_t token);
    // Calls f(end, token) for each token that starts at `begin`, the shortest first.
    template <typename F>
    void match(std::string_view text, std::size_t begin, F&& f) const;
    bool starts(char byte) const;
    bool empty() const { return nodes_.size() <= 1; }

   private:
    struct Node {
      std::int32_t first_child = -1;
      std::int32_t next_sibling = -1;
      std::int32_t token = -1;
      char byte = 0;
    };
    std::int32_t child(std::int32_t node, char byte) const;
    std::vector<Node> nodes_;
    std::vector<bool> starts_ = std::vector<bool>(256);
  };

  struct Found {
    std::size_t token;
    std::size_t end;
  };

  void index(const Normalizer& normalizer);
  std::optional<Found> longest_at(const TracedText& text, std::size_t begin,
                                  const Trie& trie) const;
  bool cuts_special(const TracedText& text, std::size_t begin, std::size_t end,
                    const Trie& trie) const;
  bool touches_word(std::string_view text, std::size_t begin, std::size_t end,
                    MatchState& state) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string_view, std::size_t> by_content_;  // views into tokens_
  std::unordered_map<std::int32_t, std::size_t> by_id_;
  Trie raw_;
  Trie normalized_;
  bool has_normalized_special_ = false;
  std::optional<Regex> word_character_;  // compiled where any token is single_word
};

}  // namespace gpumodel::engine::text

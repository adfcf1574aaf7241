// tokenizer.json taken apart: the two big tables apart from the small rest.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/vocabulary.hpp"

namespace gpumodel::engine::text {

inline constexpr std::string_view kTokenizerFile = "tokenizer.json";

// Read in one pass, without a document object for the tables, as they are nearly all of the file
// and a model's load waits for it.
struct TokenizerFile {
  struct Merge {
    std::uint32_t offset;  // into merge_text; the right part follows the left one
    std::uint32_t left_bytes;
    std::uint32_t right_bytes;
  };

  // Everything but model.vocab and model.merges.
  nlohmann::json rest;
  Vocabulary vocab;
  bool vocab_is_object = false;  // model.vocab was there and was an object of ids
  std::vector<Merge> merges;
  bool has_merges = false;
  std::string merge_text;

  std::string_view left(const Merge& merge) const {
    return std::string_view(merge_text).substr(merge.offset, merge.left_bytes);
  }
  std::string_view right(const Merge& merge) const {
    return std::string_view(merge_text).substr(merge.offset + merge.left_bytes, merge.right_bytes);
  }

  // Refuses (BadModel) what is not JSON, deeper than 32 levels, larger than 256 MiB, has a key
  // twice, an id out of range or twice, a merge that is neither "a b" nor ["a", "b"].
  static TokenizerFile parse(std::string_view json);
};

}  // namespace gpumodel::engine::text

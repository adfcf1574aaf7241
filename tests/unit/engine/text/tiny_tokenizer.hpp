// Small tokenizer.json documents to vary.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace gpumodel::test {

// A BPE over a few letters, in which every run of other characters within a word is one unknown
// token: so the ids show where words were cut.
inline nlohmann::json tiny_tokenizer() {
  nlohmann::json document = nlohmann::json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [
      {"id": 0, "content": "<unk>", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": false, "special": true}],
    "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
    "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
              "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": false,
              "ignore_merges": false, "vocab": {"<unk>": 0}, "merges": []}})");
  nlohmann::json& vocab = document["model"]["vocab"];
  for (const char* token : {"a", "b", "c", "d", "e", "t", "h", "1", "2", " ", "\u2581", "\u0120",
                            "th", "the", "\u2581th", "aa", "aaaa", "12", "ab"}) {
    vocab[token] = vocab.size();
  }
  document["model"]["merges"] = {"t h", "th e", "\u2581 th", "a a", "aa aa", "1 2", "a b"};
  return document;
}

// Every byte a token of its own, by falling back: the ids show the text after normalisation.
inline nlohmann::json byte_tokenizer() {
  nlohmann::json document = tiny_tokenizer();
  document["model"]["vocab"] = {{"<unk>", 0}};
  document["model"]["merges"] = nlohmann::json::array();
  document["model"]["byte_fallback"] = true;
  const char* const digits = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string name = std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">";
    document["model"]["vocab"][name] = byte + 1;
  }
  document["decoder"] = {{"type", "ByteFallback"}};
  return document;
}

}  // namespace gpumodel::test

// Ids and texts against Hugging Face's tokenizers, on real and on made-up vocabularies.
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "support/testdata.hpp"
#include "tiny_tokenizer.hpp"
#include "tokenizer_oracle.hpp"

using namespace gpumodel::test;
using nlohmann::json;

namespace {

json regex_split(const std::string& pattern, const std::string& behavior = "Isolated",
                 bool invert = false) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", pattern}}},
          {"behavior", behavior},
          {"invert", invert}};
}

json sequence(const std::string& key, const std::vector<json>& items) {
  return {{"type", "Sequence"}, {key, items}};
}

const json kByteLevel = {
    {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};

}  // namespace

BOOST_AUTO_TEST_SUITE(parity, *boost::unit_test::precondition(has_oracle_python()))

BOOST_AUTO_TEST_CASE(qwen, *boost::unit_test::precondition(has_testdata("tokenizers/qwen2.5"))) {
  const std::string path = testdata("tokenizers/qwen2.5/tokenizer.json");
  BOOST_TEST(compare_with_oracle("random 11 1000", path, "Qwen2.5") == 1000);
  BOOST_TEST(compare_with_oracle("every", path, "Qwen2.5") > 700);
}

BOOST_AUTO_TEST_CASE(the_demo_model, *boost::unit_test::precondition(has_demo_model)) {
  BOOST_TEST(compare_with_oracle("random 12 1000", demo_model() + "/tokenizer.json",
                                 "demo model") == 1000);
  BOOST_TEST(compare_with_oracle("every", demo_model() + "/tokenizer.json", "demo model") > 700);
}

BOOST_AUTO_TEST_CASE(byte_fallback,
                     *boost::unit_test::precondition(has_testdata("models/stories260k"))) {
  const std::string path = testdata("models/stories260k/tokenizer.json");
  BOOST_TEST(compare_with_oracle("random 13 500", path, "stories260k") == 500);
}

BOOST_AUTO_TEST_CASE(tiny_qwen,
                     *boost::unit_test::precondition(has_testdata("tokenizers/hf_qwen2_tiny"))) {
  const std::string path = testdata("tokenizers/hf_qwen2_tiny/tokenizer.json");
  BOOST_TEST(compare_with_oracle("random 14 300", path, "tiny Qwen2") == 300);
}

// Which characters belong to a class: each one of it is a word of its own.
BOOST_AUTO_TEST_CASE(character_classes) {
  for (const char* pattern :
       {R"(\s)", R"(\w)", R"(\d)", R"(\p{L})", R"(\p{N})", R"(\p{M})", R"(\P{P})", R"(\p{S})",
        R"(\p{Lu})", R"(\b)", R"([^\P{L}a])", R"(\p{Han}|\p{Katakana}|\p{Hiragana})"}) {
    json document = tiny_tokenizer();
    document["pre_tokenizer"] = regex_split(pattern);
    BOOST_TEST(compare_contents_with_oracle("every", document.dump()) > 700, pattern);
  }
  for (const json& pre_tokenizer :
       {json{{"type", "Digits"}, {"individual_digits", true}}, json{{"type", "Punctuation"}},
        json{{"type", "Whitespace"}}, json{{"type", "WhitespaceSplit"}}}) {
    json document = tiny_tokenizer();
    document["pre_tokenizer"] = pre_tokenizer;
    BOOST_TEST(compare_contents_with_oracle("every", document.dump()) > 700);
  }
}

BOOST_AUTO_TEST_CASE(normalizers) {
  const json replace_space = {
      {"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  const std::vector<json> kinds = {
      {{"type", "NFC"}},
      {{"type", "NFD"}},
      {{"type", "NFKC"}},
      {{"type", "NFKD"}},
      {{"type", "Lowercase"}},
      {{"type", "StripAccents"}},
      {{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}},
      {{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}},
      {{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}},
      {{"type", "Replace"}, {"pattern", {{"Regex", "a*"}}}, {"content", "-"}},
      {{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", "-"}},
      sequence("normalizers", {{{"type", "Prepend"}, {"prepend", "\u2581"}}, replace_space}),
      sequence("normalizers",
               {{{"type", "NFD"}}, {{"type", "StripAccents"}}, {{"type", "Lowercase"}}})};
  for (const json& normalizer : kinds) {
    json document = byte_tokenizer();
    document["normalizer"] = normalizer;
    BOOST_TEST(compare_contents_with_oracle("every", document.dump()) > 700);
    BOOST_TEST(compare_contents_with_oracle("random 21 300", document.dump()) == 300);
  }
}

BOOST_AUTO_TEST_CASE(splits) {
  std::vector<json> pre_tokenizers;
  for (const char* behavior :
       {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}) {
    for (const bool invert : {false, true}) {
      pre_tokenizers.push_back(regex_split("a|\\s", behavior, invert));
    }
    pre_tokenizers.push_back({{"type", "Split"},
                              {"pattern", {{"String", " "}}},
                              {"behavior", behavior},
                              {"invert", false}});
    pre_tokenizers.push_back({{"type", "Punctuation"}, {"behavior", behavior}});
  }
  for (
      const char* pattern :
      {R"([^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
       R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       R"([\p{L}&&[^\p{Han}]]+|\p{Han}+)", R"(a{,2}|e{2}?|t{1,2}+)", R"((?<=[a-z])(?=[A-Z0-9]))",
       R"(^.|.$)", R"((?m:1.))", R"(\h+|\R)", R"([]a-c\-\]]+)", R"((?i)the|k|s)", "", "a*"}) {
    pre_tokenizers.push_back(regex_split(pattern));
  }
  for (const char* scheme : {"always", "first", "never"}) {
    for (const bool split : {false, true}) {
      pre_tokenizers.push_back({{"type", "Metaspace"},
                                {"replacement", "\u2581"},
                                {"prepend_scheme", scheme},
                                {"split", split}});
    }
  }
  const json digits = {{"type", "Digits"}, {"individual_digits", false}};
  json prefixed = kByteLevel;
  prefixed["add_prefix_space"] = true;
  json plain = kByteLevel;
  plain["use_regex"] = false;
  pre_tokenizers.push_back(digits);
  pre_tokenizers.push_back(kByteLevel);
  pre_tokenizers.push_back(prefixed);
  pre_tokenizers.push_back(sequence("pretokenizers", {digits, kByteLevel}));
  pre_tokenizers.push_back(sequence("pretokenizers", {kByteLevel, {{"type", "Punctuation"}}}));
  pre_tokenizers.push_back(sequence("pretokenizers", {plain, prefixed}));
  for (const json& pre_tokenizer : pre_tokenizers) {
    json document = tiny_tokenizer();
    document["pre_tokenizer"] = pre_tokenizer;
    BOOST_TEST(compare_contents_with_oracle("random 31 150", document.dump()) == 150);
  }
}

BOOST_AUTO_TEST_CASE(model_options) {
  for (const bool fuse_unk : {false, true}) {
    for (const bool byte_fallback : {false, true}) {
      for (const bool ignore_merges : {false, true}) {
        json document = tiny_tokenizer();
        json& model = document["model"];
        model["fuse_unk"] = fuse_unk;
        model["byte_fallback"] = byte_fallback;
        model["ignore_merges"] = ignore_merges;
        model["vocab"]["aab"] = 90;
        // Some bytes only, so that characters fall back wholly, or are unknown.
        for (int byte = 0; byte < 0x80; ++byte) {
          const char* const digits = "0123456789ABCDEF";
          const std::string name = {'<', '0', 'x', "01234567"[byte / 16], digits[byte % 16], '>'};
          model["vocab"][name] = 100 + byte;
        }
        document["pre_tokenizer"] = {{"type", "WhitespaceSplit"}};
        BOOST_TEST(compare_contents_with_oracle("random 41 200", document.dump()) == 200);
        model.erase("unk_token");
        BOOST_TEST(compare_contents_with_oracle("random 42 200", document.dump()) == 200);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(decoders) {
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}};
  const json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  const std::vector<json> kinds = {
      nullptr,
      kByteLevel,
      {{"type", "Fuse"}},
      replace,
      strip,
      {{"type", "Strip"}, {"content", "a"}, {"start", 0}, {"stop", 1}},
      {{"type", "Replace"}, {"pattern", {{"Regex", "[ab]+"}}}, {"content", "<>"}},
      {{"type", "Metaspace"},
       {"replacement", "\u2581"},
       {"prepend_scheme", "always"},
       {"split", true}},
      {{"type", "Metaspace"},
       {"replacement", "\u2581"},
       {"prepend_scheme", "never"},
       {"split", true}},
      sequence("decoders", {replace, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}, strip}),
      sequence("decoders", {{{"type", "Fuse"}},
                            {{"type", "Strip"}, {"content", "a"}, {"start", 1}, {"stop", 0}},
                            replace}),
      sequence("decoders", {{{"type", "ByteFallback"}},
                            {{"type", "Metaspace"},
                             {"replacement", "\u2581"},
                             {"prepend_scheme", "first"},
                             {"split", true}}})};
  for (const json& decoder : kinds) {
    for (json document : {tiny_tokenizer(), byte_tokenizer()}) {
      document["normalizer"] = {
          {"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
      document["decoder"] = decoder;
      BOOST_TEST(compare_contents_with_oracle("random 51 100", document.dump()) == 100);
    }
  }
}

BOOST_AUTO_TEST_CASE(added_tokens) {
  json document = tiny_tokenizer();
  const auto add = [&](const std::string& content, const char* option, bool normalized) {
    json token = {{"id", 20 + document["added_tokens"].size() - 1},
                  {"content", content},
                  {"single_word", false},
                  {"lstrip", false},
                  {"rstrip", false},
                  {"normalized", normalized},
                  {"special", false}};
    if (*option != '\0') token[option] = true;
    document["added_tokens"].push_back(token);
  };
  add("k", "single_word", true);
  add("!", "lstrip", false);
  add("?", "rstrip", false);
  add("e\u0301", "", true);
  add("aaa", "", false);
  add("aaaaa", "", false);
  add("2024", "", true);
  document["normalizer"] = {{"type", "NFC"}};
  document["post_processor"] = json::parse(R"({"type": "Sequence", "processors": [
    {"type": "TemplateProcessing", "pair": [], "special_tokens":
      {"<unk>": {"id": "<unk>", "ids": [0], "tokens": ["<unk>"]}},
     "single": [{"SpecialToken": {"id": "<unk>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<unk>", "type_id": 0}}]},
    {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}]})");
  BOOST_TEST(compare_contents_with_oracle("random 61 1000", document.dump()) == 1000);
}

BOOST_AUTO_TEST_SUITE_END()

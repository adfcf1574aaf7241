// Bpe, the part that reads tokenizer.json.
#include <fmt/core.h>

#include <algorithm>
#include <bit>

#include "engine/io/bad_model.hpp"
#include "engine/text/added_tokens.hpp"
#include "engine/text/bpe.hpp"
#include "engine/text/byte_level.hpp"
#include "engine/text/hash.hpp"
#include "engine/text/json_node.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {

Bpe Bpe::parse(const JsonNode& model, TokenizerFile file, const AddedTokens& added) {
  Bpe bpe;
  // Files of before 2020 have no type; only BPE has merges.
  if (model.has("type") ? model.type() != "BPE" : !file.has_merges) model.unsupported("type");
  if (!file.vocab_is_object) model.at("vocab").fail("expected an object of tokens and ids");
  if (!file.has_merges) model.at("merges").fail("expected an array");
  bpe.vocabulary_ = std::move(file.vocab);
  bpe.is_special_.resize(static_cast<std::size_t>(bpe.vocabulary_.id_limit()));
  for (const AddedToken& token : added.tokens()) {
    const std::optional<std::int32_t> id = bpe.vocabulary_.find(token.content);
    if (id && token.special) bpe.is_special_[static_cast<std::size_t>(*id)] = true;
  }
  bpe.read_options(model);
  bpe.read_merges(file);
  bpe.read_characters();
  return bpe;
}

void Bpe::read_options(const JsonNode& model) {
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (model.has(key) && !model.string(key).empty()) model.unsupported(key);
  }
  if (model.has("dropout") && model.at("dropout").number() != 0.0) model.unsupported("dropout");
  fuse_unknown_ = model.boolean("fuse_unk", false);
  byte_fallback_ = model.boolean("byte_fallback", false);
  ignore_merges_ = model.boolean("ignore_merges", false);
  if (model.has("unk_token")) {
    unknown_id_ = vocabulary_.find(model.string("unk_token"));
    if (!unknown_id_) model.at("unk_token").fail("not in model.vocab");
  }
}

std::optional<std::int32_t> Bpe::ordinary_id(std::string_view token) const {
  const std::optional<std::int32_t> id = vocabulary_.find(token);
  return id && !is_special_[static_cast<std::size_t>(*id)] ? id : std::nullopt;
}

void Bpe::insert_merge(std::int32_t left, std::int32_t right, std::uint32_t rank, std::int32_t id) {
  const std::uint64_t pair = pair_key(left, right);
  const std::size_t mask = merges_.size() - 1;
  std::size_t at = mix(pair) & mask;
  while (merges_[at].pair != kNoPair && merges_[at].pair != pair) at = (at + 1) & mask;
  merges_[at] = {pair, rank, id};
}

void Bpe::read_merges(const TokenizerFile& file) {
  merges_.resize(std::bit_ceil(std::max<std::size_t>(file.merges.size() * 2, 16)));
  const std::string_view text = file.merge_text;
  std::int32_t next_id = 0;
  for (std::size_t rank = 0; rank < file.merges.size(); ++rank) {
    const TokenizerFile::Merge& merge = file.merges[rank];
    const std::string_view whole = text.substr(merge.offset, merge.left_bytes + merge.right_bytes);
    const auto id_of = [&](std::string_view token) {
      const std::optional<std::int32_t> id = vocabulary_.find(token);
      if (!id) {
        throw BadModel(std::string(kTokenizerFile),
                       fmt::format("model.merges[{}]: {} is not in model.vocab", rank,
                                   nlohmann::json(token).dump()));
      }
      return *id;
    };
    const std::int32_t left = id_of(file.left(merge));
    const std::int32_t right = id_of(file.right(merge));
    // Trainers number tokens in the order of their merges: try the next id before searching.
    next_id = vocabulary_.token(next_id) == whole ? next_id : id_of(whole);
    const std::int32_t merged = next_id++;
    // Of a pair that is there twice the later one counts, as in `tokenizers`.
    if (!is_special_[static_cast<std::size_t>(merged)]) {
      insert_merge(left, right, static_cast<std::uint32_t>(rank), merged);
    }
  }
}

void Bpe::read_characters() {
  for (unsigned byte = 0; byte < 256; ++byte) {
    byte_tokens_[byte] = ordinary_id(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string character;
    append_code_point(character, byte_level_char(static_cast<unsigned char>(byte)));
    units_of_byte_[byte] = units_of(character);
  }
  for (unsigned c = 0; c < 128; ++c)
    units_of_ascii_[c] = units_of(std::string(1, static_cast<char>(c)));
}

Bpe::Units Bpe::units_of(std::string_view character) const {
  Units units;
  if (const std::optional<std::int32_t> id = ordinary_id(character)) {
    units.kind = Units::Kind::kToken;
    units.count = 1;
    units.ids[0] = *id;
    return units;
  }
  if (!byte_fallback_) return units;
  for (const char c : character) {
    const std::int32_t id = byte_tokens_[static_cast<unsigned char>(c)];
    if (id < 0) return Units();
    units.ids[units.count++] = id;
  }
  units.kind = Units::Kind::kBytes;
  return units;
}

}  // namespace gpumodel::engine::text

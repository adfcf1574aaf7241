#include <utility>

#include "engine/text/byte_level.hpp"
#include "engine/text/decoder_stages.hpp"
#include "engine/text/detokenizer.hpp"
#include "engine/text/tokenizer_parts.hpp"

namespace gpumodel::engine::text {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";

}  // namespace

std::optional<std::vector<std::string>> Tokenizer::token_bytes() const {
  if (!parts_->decoder.keeps_tokens_apart()) return std::nullopt;
  std::vector<std::string> all(static_cast<std::size_t>(vocab_size()));
  Detokenizer detokenizer(*this, /*skip_special=*/true);
  // A token that is not the first: the first is treated differently by some decoders.
  std::optional<std::int32_t> first;
  for (std::int32_t id = 0; id < vocab_size() && !first; ++id)
    if (is_known(id) && !is_special(id) && decode(std::span(&id, 1), true) == id_to_token(id))
      first = id;
  for (std::int32_t id = 0; id < vocab_size(); ++id) {
    if (!is_known(id) || is_special(id)) continue;
    std::string& bytes = all[static_cast<std::size_t>(id)];
    if (parts_->decoder.is_byte_level()) {
      const AddedToken* const added = parts_->added.find(id);
      append_byte_level_decoded(bytes, added != nullptr ? added->decoded : id_to_token(id));
      continue;
    }
    if (first) detokenizer.push(*first);
    bytes = detokenizer.push(id);
    bytes += detokenizer.flush();
    if (!first || bytes != kReplacement) continue;
    if (const std::optional<char> byte = byte_of_token(id_to_token(id))) bytes.assign(1, *byte);
  }
  return all;
}

}  // namespace gpumodel::engine::text

#include "engine/text/detokenizer.hpp"

#include <utility>

#include "engine/text/tokenizer_parts.hpp"

namespace gpumodel::engine::text {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer),
      skip_special_(skip_special),
      out_(std::make_unique<std::string>()),
      stages_(tokenizer.parts_->decoder.chain(*out_)) {}

std::string Detokenizer::push(std::int32_t id) {
  if (!tokenizer_->is_known(id) || (skip_special_ && tokenizer_->is_special(id))) return {};
  const AddedToken* const added = tokenizer_->parts_->added.find(id);
  stages_.front()->write(added != nullptr ? added->decoded : tokenizer_->id_to_token(id));
  stages_.front()->end_token();
  return std::exchange(*out_, {});
}

std::string Detokenizer::flush() {
  stages_.front()->finish();
  std::string rest = std::exchange(*out_, {});
  stages_ = tokenizer_->parts_->decoder.chain(*out_);
  return rest;
}

}  // namespace gpumodel::engine::text

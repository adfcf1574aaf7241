#include "engine/server/resident_model.hpp"

#include <algorithm>
#include <chrono>
#include <future>

#include "engine/model/source.hpp"
#include "engine/server/unload_report.hpp"

namespace gpumodel::engine::server {
namespace {

constexpr std::size_t kKeptGrammarBytes = 64u << 20;

}  // namespace

std::shared_ptr<ResidentModel> ResidentModel::load(memory::Budget& budget, TextCache& texts,
                                                   const LoadRequest& request) {
  const auto begun = std::chrono::steady_clock::now();
  const wire::LoadParams& params = request.params;
  const model::ModelSource source = open_as_inspected(params.path, params.dtype, params.identity);
  // Parsing a tokenizer takes about as long as copying the weights of a small model.
  auto text = std::async(std::launch::async, [&] { return texts.get(params.path); });
  const std::string name = "gpumodel-" + std::to_string(params.weights);
  WeightsInMemory weights =
      bring_to_memory(source, {budget, name}, params.image, request.image, request.options);
  std::shared_ptr<ResidentModel> model(new ResidentModel(text.get(), std::move(weights)));
  model->id_ = params.weights;
  model->config_ = source.config;
  model->defaults_ = source.generation;
  model->map_cache(budget, params);
  model->find_tokens();
  model->load_ms_ = milliseconds_since(begun);
  return model;
}

void ResidentModel::map_cache(memory::Budget& budget, const wire::LoadParams& params) {
  kv_layout_ = kv::KvLayout::of(config_, loaded_.weights.dtype);
  const auto page_bytes = static_cast<std::uint64_t>(kv_layout_.page_bytes());
  const std::uint64_t wanted_tokens = std::max<std::uint32_t>(params.context_tokens, 1);
  // A whole page for a fraction of one, and one context at least: a single sequence must always
  // fit.
  const std::uint64_t pages = std::max<std::uint64_t>(
      (params.kv_bytes + page_bytes - 1) / page_bytes,
      static_cast<std::uint64_t>(kv::pages_for(static_cast<std::int64_t>(std::min<std::uint64_t>(
          wanted_tokens, static_cast<std::uint64_t>(config_.max_position))))));
  const std::string name = "gpumodel-" + std::to_string(params.weights);
  kv_ = memory::Arena(budget, name + "-kv", pages * page_bytes);
  kv_pages_ = static_cast<std::int32_t>(pages);
  workspace_ = memory::Arena(
      budget, name + "-work",
      std::max<std::uint64_t>(params.workspace_bytes, model::workspace_bytes(config_)));
  std::uint64_t context = std::min<std::uint64_t>(pages * kv::kPageTokens,
                                                  static_cast<std::uint64_t>(config_.max_position));
  if (params.context_tokens != 0) context = std::min<std::uint64_t>(context, params.context_tokens);
  context_tokens_ = static_cast<std::uint32_t>(context);
}

void ResidentModel::find_tokens() {
  const text::Tokenizer& tokenizer = text_->tokenizer();
  known_tokens_ = std::min(tokenizer.vocab_size(), config_.vocab_size);
  for (std::int32_t token = 0; token < known_tokens_; ++token)
    if (!tokenizer.is_known(token)) unknown_tokens_.push_back(token);
  end_tokens_ = config_.eos_token_ids;
  end_tokens_.insert(end_tokens_.end(), defaults_.eos_token_ids.begin(),
                     defaults_.eos_token_ids.end());
  if (text_->eos_token()) end_tokens_.push_back(*text_->eos_token());
  std::sort(end_tokens_.begin(), end_tokens_.end());
  end_tokens_.erase(std::unique(end_tokens_.begin(), end_tokens_.end()), end_tokens_.end());
  grammars_ = std::make_shared<text::grammar::Compiler>(
      std::shared_ptr<const text::Tokenizer>(text_, &tokenizer), known_tokens_, end_tokens_,
      kKeptGrammarBytes);
}

wire::LoadResult ResidentModel::report() const {
  return {loaded_.arena.bytes(), kv_.bytes(), workspace_.bytes(), load_ms_, 0, image_checksum_};
}

std::uint64_t ResidentModel::resident_bytes() const {
  return loaded_.arena.resident_bytes() + kv_.resident_bytes() + workspace_.resident_bytes();
}

wire::UnloadResult ResidentModel::release() {
  return release_arenas({&loaded_.arena, &kv_, &workspace_});
}

}  // namespace gpumodel::engine::server

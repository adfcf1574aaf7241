// One weights in memory, with everything that serving it needs but the thread that steps it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/io/model_config.hpp"
#include "engine/kv/kv_store.hpp"
#include "engine/memory/arena.hpp"
#include "engine/model/loader.hpp"
#include "engine/server/host_image.hpp"
#include "engine/server/in_use.hpp"
#include "engine/server/text_cache.hpp"
#include "engine/text/grammar/compiler.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::engine::server {

struct LoadRequest {
  wire::LoadParams params;
  os::Fd image;  // where params.image is set
  model::LoadOptions options;
};

// Immutable after the load, until release().
class ResidentModel {
 public:
  // Reads the folder, compares the identity and fills the arenas; with an image as the request
  // says. Takes seconds. The budget outlives the model. Throws BadModel, memory::OutOfMemory,
  // model::LoadInterrupted, and what host_image.hpp says; nothing stays behind but what `texts`
  // keeps.
  static std::shared_ptr<ResidentModel> load(memory::Budget& budget, TextCache& texts,
                                             const LoadRequest& request);

  std::uint64_t id() const { return id_; }
  const io::ModelConfig& config() const { return config_; }
  const io::GenerationDefaults& defaults() const { return defaults_; }
  const TextModel& text() const { return *text_; }
  const model::ModelWeights& weights() const { return loaded_.weights; }
  // Tokens that end a text: of config.json, generation_config.json and tokenizer_config.json.
  const std::vector<std::int32_t>& end_tokens() const { return end_tokens_; }
  // Ids below known_tokens() that the tokenizer does not know either.
  const std::vector<std::int32_t>& unknown_tokens() const { return unknown_tokens_; }
  std::int32_t known_tokens() const { return known_tokens_; }
  // Constraints of this model's texts; outlives the model where it is shared.
  const std::shared_ptr<text::grammar::Compiler>& grammars() const { return grammars_; }
  // Prompt and output of one sequence: what was asked for, cut to the model's positions and the
  // pages.
  std::uint32_t context_tokens() const { return context_tokens_; }
  std::int32_t kv_pages() const { return kv_pages_; }
  kv::KvStore kv_store() const { return {kv_layout_, kv_.data()}; }
  std::span<std::byte> workspace() const { return {workspace_.data(), workspace_.bytes()}; }

  // Sizes and time of the load; the process's resident bytes are the caller's to add.
  wire::LoadResult report() const;
  // Of the arenas, as the kernel counts them.
  std::uint64_t resident_bytes() const;
  // Unmaps the arenas and measures what came back. Nobody may use the model any more.
  wire::UnloadResult release();

  // Requests and measurements that still use this model; release() waits for nobody, its caller
  // does.
  std::atomic<std::uint32_t> uses{0};

 private:
  ResidentModel(std::shared_ptr<const TextModel> text, WeightsInMemory weights)
      : text_(std::move(text)),
        loaded_(std::move(weights.loaded)),
        image_checksum_(weights.image_checksum) {}
  void map_cache(memory::Budget& budget, const wire::LoadParams& params);
  void find_tokens();

  std::uint64_t id_ = 0;
  io::ModelConfig config_;
  io::GenerationDefaults defaults_;
  std::shared_ptr<const TextModel> text_;
  model::LoadedWeights loaded_;
  std::optional<std::uint64_t> image_checksum_;
  kv::KvLayout kv_layout_;
  std::int32_t kv_pages_ = 0;
  memory::Arena kv_;
  memory::Arena workspace_;
  std::uint32_t context_tokens_ = 0;
  std::int32_t known_tokens_ = 0;
  std::vector<std::int32_t> end_tokens_;
  std::vector<std::int32_t> unknown_tokens_;
  std::shared_ptr<text::grammar::Compiler> grammars_;
  std::uint64_t load_ms_ = 0;
};

using ModelUse = InUse<ResidentModel>;

}  // namespace gpumodel::engine::server

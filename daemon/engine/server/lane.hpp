// One resident model in the step thread: its decoder, its schedule, its generations.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/batch/scheduler.hpp"
#include "engine/device/backend.hpp"
#include "engine/kv/prefix_cache.hpp"
#include "engine/model/decoder.hpp"
#include "engine/server/generation.hpp"

namespace gpumodel::engine::server {

// Step thread only.
class Lane {
 public:
  // Throws std::invalid_argument or std::bad_alloc where the decoder cannot be built.
  Lane(std::shared_ptr<ResidentModel> model, device::Backend& backend);

  const std::shared_ptr<ResidentModel>& model() const { return model_; }
  bool has_work() const { return !scheduler_.empty(); }

  void add(const GenerationRequest& request, PreparedGeneration prepared);
  // Answers those that were cancelled or are late.
  void end_stopped(Clock::time_point now);
  // Those that use these weights, or this adapter.
  void end_users_of(std::uint64_t id, batch::Finish finish);
  // One step: runs what the scheduler chose, samples, appends notifications to `messages`, answers
  // what has ended. An exception answers the step's generations and goes no further.
  void step(std::string& messages);

 private:
  void run(const std::vector<batch::Work>& step, std::string& messages);
  model::SequenceStep part_of(const batch::Work& work, const Generation& generation);
  // From its rows of logits; ends where a guess was wrong, or the generation.
  void sample(const batch::Work& work, const float* rows, std::string& messages);
  // One token; whether the generation goes on.
  bool sample(Generation& generation, const float* row, std::string& messages);
  void end(batch::Sequence* sequence);

  std::shared_ptr<ResidentModel> model_;
  device::Backend& backend_;
  kv::PagePool pages_;
  kv::PrefixCache prefixes_;
  kv::KvStore store_;
  model::Decoder decoder_;
  batch::Scheduler scheduler_;
  sample::Sampler sampler_;
  std::map<batch::Sequence*, std::unique_ptr<Generation>> generations_;
  std::vector<float> row_;             // of logits, in host memory
  std::vector<std::int32_t> drafted_;  // last tokens of a step's sequences and their drafts
};

}  // namespace gpumodel::engine::server

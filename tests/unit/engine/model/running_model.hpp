// A model folder, loaded and ready to step, and what transformers computed for it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/memory/arena.hpp"
#include "engine/model/decoder.hpp"
#include "engine/model/loader.hpp"
#include "engine/model/source.hpp"

namespace gpumodel::test {

namespace device = engine::device;
namespace io = engine::io;
namespace kv = engine::kv;
namespace model = engine::model;

using Tokens = std::vector<std::int32_t>;
using Rows = std::vector<std::vector<float>>;  // natural log-probabilities, one row per token

struct Sequence {
  kv::PageTable pages;
  std::int32_t position = 0;
  const model::AdapterWeights* adapter = nullptr;
};

class RunningModel {
 public:
  RunningModel(const std::string& folder, std::string_view dtype, device::Backend& backend,
               std::int32_t pages = 64);

  const io::ModelConfig& config() const { return source_.config; }
  io::DType dtype() const { return loaded_.weights.dtype; }
  model::Decoder& decoder() { return *decoder_; }
  kv::PagePool& pool() { return pool_; }

  Sequence start(const model::AdapterWeights* adapter = nullptr) {
    return {kv::PageTable(pool_), 0, adapter};
  }

  // Appends tokens to the sequence in steps of at most `chunk`; rows after each of them.
  Rows run(Sequence& sequence, std::span<const std::int32_t> tokens, std::size_t chunk = 64);

  // One step for all: appends tokens[i] to sequences[i]; the row after each sequence's last token.
  Rows run_together(std::span<Sequence> sequences, std::span<const Tokens> tokens);

 private:
  Rows log_probabilities(const float* logits, std::size_t rows) const;

  model::ModelSource source_;
  engine::memory::Budget budget_;
  model::LoadedWeights loaded_;
  engine::memory::Arena kv_;
  engine::memory::Arena workspace_;
  kv::PagePool pool_;
  std::unique_ptr<model::Decoder> decoder_;
};

// reference.json and reference.safetensors of make_models.py.
struct Reference {
  struct Prompt {
    Tokens tokens;
    Tokens continuation;
    std::vector<float> margins;
    Rows prefill;  // after each of `tokens`
    Rows steps;    // that chose each of `continuation`
  };
  std::string dtype;  // in which it was computed: "fp32", "fp16", "bf16"
  std::vector<Prompt> prompts;

  explicit Reference(const std::string& folder);
};

// Every backend of this build that runs here.
std::vector<std::unique_ptr<device::Backend>> backends();

float largest_difference(const Rows& a, const Rows& b);
std::int32_t best_token(const std::vector<float>& row);

}  // namespace gpumodel::test

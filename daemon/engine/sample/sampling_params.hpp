// How one generation chooses its tokens: the request's values over the model's own.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "engine/io/model_config.hpp"

namespace gpumodel::wire {
struct GenerationParams;
}

namespace gpumodel::engine::sample {

// Ranges as in PROTOCOL.md "generate".
struct SamplingParams {
  float temperature = 0.0f;  // 0: greedy, and the four below it are without effect
  std::int32_t top_k = 0;    // 0: all
  float top_p = 1.0f;        // 1: all
  float min_p = 0.0f;        // 0: all
  std::uint64_t seed = 0;
  float repetition_penalty = 1.0f;  // 1: none
  float presence_penalty = 0.0f;
  float frequency_penalty = 0.0f;
  std::vector<std::pair<std::int32_t, float>> logit_bias;
  bool logprobs = false;           // of the token that was chosen
  std::uint32_t top_logprobs = 0;  // of so many likeliest tokens

  bool is_greedy() const { return temperature == 0.0f; }
  bool needs_history() const {
    return repetition_penalty != 1.0f || presence_penalty != 0.0f || frequency_penalty != 0.0f;
  }
};

// The request's values, the model's where it has none. Without a temperature in the request the
// model samples if its do_sample says so, and else is greedy. `request` is checked already
// (wire::check); throws wire::Error{bad_request} for a logit bias on a token of vocab_size or more.
// `fresh_seed`, from 0 to 2^63-1, is used where the request has none.
SamplingParams resolve(const wire::GenerationParams& request, const io::GenerationDefaults& model,
                       std::int32_t vocab_size, std::uint64_t fresh_seed);

}  // namespace gpumodel::engine::sample

// Logits to tokens. Each rule is defined as in transformers' generation/logits_process.py (v4 and
// v5): repetition penalty over prompt and output (RepetitionPenaltyLogitsProcessor); presence and
// frequency penalties over the output (OpenAI's API reference) and the logit bias, both added;
// then, where it samples, temperature, top-k, top-p and min-p in that order, and a draw from what
// is left.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/sample/sampling_params.hpp"
#include "engine/sample/token_history.hpp"

namespace gpumodel::engine::sample {

struct TokenLogprob {
  std::int32_t token = 0;
  float logprob = 0.0f;  // natural logarithm
};

struct Sample {
  std::int32_t token = -1;        // -1: no token may be chosen (all forbidden, or no finite logit)
  float logprob = 0.0f;           // where logprobs are asked for; of the unmodified distribution
  std::vector<TokenLogprob> top;  // top_logprobs of them, likeliest first
};

struct Candidate {
  std::int32_t token = 0;
  double weight = 0.0;  // its probability but for a common factor
};

// Scratch memory for one thread's sampling; holds no state between calls.
class Sampler {
 public:
  // The tokenizer knows the ids below `known_tokens` but for `unknown`; other columns are never
  // chosen.
  explicit Sampler(std::int32_t known_tokens, std::vector<std::int32_t> unknown = {})
      : known_tokens_(known_tokens), unknown_(std::move(unknown)) {}

  // Chooses the token at `position` (0 for the first of the output). The logits are one row of all
  // columns, changed in place. The same logits, params, history and position give the same token.
  // With `allowed`, only tokens whose bit is set there (bit i % 32 of word i / 32) are chosen from,
  // before anything else is done to the logits; the log-probabilities are those without it.
  Sample sample(std::span<float> logits, const SamplingParams& params, const TokenHistory& history,
                std::uint64_t position,
                std::optional<std::span<const std::uint32_t>> allowed = std::nullopt);

  // The distribution that is drawn from: what temperature, top-k, top-p and min-p leave of
  // `scores`, in no particular order. Empty where no score is above -infinity. Valid until the
  // next call.
  std::span<const Candidate> distribution(std::span<const float> scores,
                                          const SamplingParams& params);

 private:
  void gather(std::span<const float> scores, const SamplingParams& params);
  void keep_top_p(float top_p);
  void keep_min_p(float min_p);

  std::int32_t known_tokens_;
  std::vector<std::int32_t> unknown_;
  std::vector<Candidate> candidates_;
  std::vector<float> scratch_;
};

// Penalties and bias, in place.
void adjust(std::span<float> logits, const SamplingParams& params, const TokenHistory& history);

}  // namespace gpumodel::engine::sample

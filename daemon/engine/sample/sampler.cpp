#include "engine/sample/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/sample/philox.hpp"
#include "engine/sample/selection.hpp"

namespace gpumodel::engine::sample {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

// log(sum(exp(logits))), in double: a vocabulary has 10^5 terms.
double log_sum_exp(std::span<const float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit - most));
  return static_cast<double>(most) + std::log(sum);
}

void forbid_others(std::span<float> logits, std::span<const std::uint32_t> allowed) {
  constexpr std::size_t kBits = 32;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool is_allowed =
        i / kBits < allowed.size() && (allowed[i / kBits] >> i % kBits & 1u) != 0;
    if (!is_allowed) logits[i] = kNothing;
  }
}

std::int32_t draw(std::span<const Candidate> candidates, double uniform) {
  double total = 0.0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  double left = uniform * total;
  for (const Candidate& candidate : candidates) {
    left -= candidate.weight;
    if (left < 0.0) return candidate.token;
  }
  return candidates.back().token;  // rounding has eaten the last one's share
}

}  // namespace

void adjust(std::span<float> logits, const SamplingParams& params, const TokenHistory& history) {
  if (params.needs_history()) {
    for (const auto& [token, count] : history.output_counts()) {
      if (static_cast<std::size_t>(token) >= logits.size()) continue;
      float& logit = logits[static_cast<std::size_t>(token)];
      logit = logit < 0 ? logit * params.repetition_penalty : logit / params.repetition_penalty;
      if (count != 0)
        logit -= params.presence_penalty + params.frequency_penalty * static_cast<float>(count);
    }
  }
  for (const auto& [token, bias] : params.logit_bias)
    logits[static_cast<std::size_t>(token)] += bias;
}

Sample Sampler::sample(std::span<float> logits, const SamplingParams& params,
                       const TokenHistory& history, std::uint64_t position,
                       std::optional<std::span<const std::uint32_t>> allowed) {
  const std::span<float> known =
      logits.first(std::min(logits.size(), static_cast<std::size_t>(known_tokens_)));
  Sample result;
  double normalizer = 0.0;
  std::vector<float> unmodified;
  if (params.logprobs || params.top_logprobs != 0) normalizer = log_sum_exp(logits);
  for (const std::int32_t token : unknown_) known[static_cast<std::size_t>(token)] = kNothing;
  if (params.logprobs || params.top_logprobs != 0) {
    for (const std::int32_t token : largest(known, params.top_logprobs))
      result.top.push_back(
          {token, static_cast<float>(known[static_cast<std::size_t>(token)] - normalizer)});
    if (params.logprobs) unmodified.assign(known.begin(), known.end());
  }
  if (allowed) forbid_others(known, *allowed);
  adjust(logits, params, history);
  if (params.is_greedy()) {
    result.token = argmax(known);
  } else if (const auto candidates = distribution(known, params); !candidates.empty()) {
    result.token = draw(candidates, uniform(params.seed, position));
  }
  if (params.logprobs && result.token >= 0)
    result.logprob =
        static_cast<float>(unmodified[static_cast<std::size_t>(result.token)] - normalizer);
  return result;
}

std::span<const Candidate> Sampler::distribution(std::span<const float> scores,
                                                 const SamplingParams& params) {
  gather(scores, params);
  if (params.top_p < 1.0f && candidates_.size() > 1) keep_top_p(params.top_p);
  if (params.min_p > 0.0f && candidates_.size() > 1) keep_min_p(params.min_p);
  return candidates_;
}

// Temperature and top-k. Equals of the k-th stay, as in TopKLogitsWarper. The division by the
// temperature keeps the order, so the k-th is found before it.
void Sampler::gather(std::span<const float> scores, const SamplingParams& params) {
  candidates_.clear();
  const std::int32_t best = argmax(scores);
  if (best < 0) return;
  const float most = scores[static_cast<std::size_t>(best)];
  float least = kNothing;
  if (params.top_k > 0 && static_cast<std::size_t>(params.top_k) < scores.size())
    least = kth_largest(scores, static_cast<std::size_t>(params.top_k), scratch_);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!(scores[i] >= least) || scores[i] == kNothing) continue;
    // An infinite maximum leaves its equals alone.
    const double distance = scores[i] == most ? 0.0 : static_cast<double>(scores[i]) - most;
    const double weight = std::exp(distance / static_cast<double>(params.temperature));
    candidates_.push_back({static_cast<std::int32_t>(i), weight});
  }
}

// TopPLogitsWarper sums up from the least likely and removes while the sum is at most 1 - top_p.
// What is below (1 - top_p) / count of the whole sums up to less than that together: it goes
// without being sorted.
void Sampler::keep_top_p(float top_p) {
  double total = 0.0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  const double removable = (1.0 - static_cast<double>(top_p)) * total;
  const double surely_removed = removable / static_cast<double>(candidates_.size());
  double sum = 0.0;
  std::erase_if(candidates_, [&](const Candidate& candidate) {
    if (candidate.weight >= surely_removed) return false;
    sum += candidate.weight;
    return true;
  });
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
  });
  while (candidates_.size() > 1 && sum + candidates_.back().weight <= removable) {
    sum += candidates_.back().weight;
    candidates_.pop_back();
  }
}

void Sampler::keep_min_p(float min_p) {
  double most = 0.0;
  for (const Candidate& candidate : candidates_) most = std::max(most, candidate.weight);
  const double least = static_cast<double>(min_p) * most;
  std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.weight < least; });
}

}  // namespace gpumodel::engine::sample

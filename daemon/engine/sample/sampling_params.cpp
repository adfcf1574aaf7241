#include "engine/sample/sampling_params.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "wire/messages.hpp"

namespace gpumodel::engine::sample {
namespace {

float resolve_temperature(const wire::GenerationParams& request,
                          const io::GenerationDefaults& model) {
  if (request.temperature) return *request.temperature;
  return model.do_sample ? model.temperature : 0.0f;
}

void check_biases(const wire::GenerationParams& request, std::int32_t vocab_size) {
  for (std::size_t i = 0; i < request.logit_bias.size(); ++i) {
    const std::int32_t token = request.logit_bias[i].first;
    if (token < 0 || token >= vocab_size)
      throw wire::Error(wire::Code::bad_request,
                        "logit_bias[" + std::to_string(i) + "]: token " + std::to_string(token) +
                            " is not in the vocabulary of " + std::to_string(vocab_size));
  }
}

}  // namespace

SamplingParams resolve(const wire::GenerationParams& request, const io::GenerationDefaults& model,
                       std::int32_t vocab_size, std::uint64_t fresh_seed) {
  check_biases(request, vocab_size);
  SamplingParams params;
  params.temperature = resolve_temperature(request, model);
  params.top_k = request.top_k ? static_cast<std::int32_t>(std::min<std::int64_t>(
                                     *request.top_k, std::numeric_limits<std::int32_t>::max()))
                               : model.top_k;
  params.top_p = request.top_p.value_or(model.top_p);
  params.min_p = request.min_p.value_or(model.min_p);
  params.seed = request.seed ? static_cast<std::uint64_t>(*request.seed) : fresh_seed;
  params.repetition_penalty = request.repetition_penalty.value_or(model.repetition_penalty);
  params.presence_penalty = request.presence_penalty;
  params.frequency_penalty = request.frequency_penalty;
  params.logit_bias = request.logit_bias;
  params.logprobs = request.logprobs;
  params.top_logprobs = request.top_logprobs;
  return params;
}

}  // namespace gpumodel::engine::sample

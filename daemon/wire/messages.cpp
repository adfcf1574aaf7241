#include "wire/messages.hpp"

#include <cmath>

namespace gpumodel::wire {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw Error(Code::invalid, what);
}

void check_source(const GenerationParams& params) {
  const int sources = int{params.prompt.has_value()} + int{params.messages.has_value()} +
                      int{params.messages_json.has_value()} + int{params.tokens.has_value()};
  require(sources == 1, "exactly one of prompt, messages, messages_json and tokens must be given");
  require(!params.tokens || !params.tokens->empty(), "tokens: at least one is needed");
}

void check_sampling(const GenerationParams& params) {
  const auto within = [](const std::optional<float>& value, float least, float most) {
    return !value || (*value >= least && *value <= most);
  };
  require(within(params.temperature, 0, 100), "temperature: from 0 (greedy) to 100");
  require(within(params.top_p, 0, 1) && params.top_p != 0.0f, "top_p: above 0, to 1");
  require(!params.top_k || *params.top_k >= 0, "top_k: 0 (all) or more");
  require(within(params.min_p, 0, 1), "min_p: from 0 to 1");
  require(within(params.repetition_penalty, 0, 100) && params.repetition_penalty != 0.0f,
          "repetition_penalty: above 0, to 100");
  require(std::abs(params.presence_penalty) <= 2, "presence_penalty: from -2 to 2");
  require(std::abs(params.frequency_penalty) <= 2, "frequency_penalty: from -2 to 2");
  require(params.logit_bias.size() <= kMaxLogitBiases, "logit_bias: at most 1,024 entries");
  for (const auto& [token, bias] : params.logit_bias)
    require(token >= 0 && bias < INFINITY, "logit_bias: a token of 0 or more and a bias below infinity");
  require(!params.seed || *params.seed >= 0, "seed: from 0 to 2^63-1");
}

void check_constraint(const GenerationParams& params) {
  int constraints = 0;
  for (const auto* constraint : {&params.json_schema, &params.regex, &params.grammar}) {
    if (!constraint->has_value()) continue;
    ++constraints;
    require((*constraint)->size() <= kMaxConstraintBytes,
            "json_schema, regex, grammar: at most 256 KiB");
  }
  require(constraints <= 1, "at most one of json_schema, regex and grammar can be given");
  require(constraints == 0 || !params.ignore_eos,
          "ignore_eos: not with json_schema, regex or grammar, which end the text");
}

}  // namespace

void check(const GenerationParams& params) {
  check_source(params);
  check_sampling(params);
  require(params.max_tokens == -1 || params.max_tokens >= 1, "max_tokens: 1 or more, or -1");
  require(params.stop.size() <= kMaxStopStrings, "stop: at most 16 strings");
  for (const std::string& stop : params.stop)
    require(!stop.empty() && stop.size() <= kMaxStopBytes, "stop: each of 1 to 256 bytes");
  require(params.top_logprobs <= kMaxTopLogprobs, "top_logprobs: from 0 to 20");
  check_constraint(params);
}

}  // namespace gpumodel::wire

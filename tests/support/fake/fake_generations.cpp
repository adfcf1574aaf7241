#include "support/fake/fake_generations.hpp"

#include <unistd.h>

#include <algorithm>

#include "support/fake/fake_text.hpp"

namespace gpumodel::test {
namespace {

using std::chrono::milliseconds;
using wire::Code;
using wire::Error;

// Of the token that was chosen; each further one of `top` is one less likely than the one before.
constexpr float kLogprob = -0.5f;

bool never_ends(const std::string& prompt) { return prompt == "hang" || prompt == "stall"; }

// A model that has gone wrong says another word first.
std::uint32_t word_number(const FakeModel& model, std::uint32_t count) {
  return model.is_wrong() ? count + 1 : count;
}

std::int32_t token_of(std::uint32_t word) {
  return kFirstWordToken + static_cast<std::int32_t>(word);
}

void append_top(std::uint32_t count, std::int32_t token, std::vector<std::int32_t>& tokens,
                std::vector<float>& logprobs) {
  for (std::uint32_t i = 0; i < count; ++i) {
    tokens.push_back(token + static_cast<std::int32_t>(i));
    logprobs.push_back(kLogprob - static_cast<float>(i));
  }
}

}  // namespace

void FakeGenerations::begin(std::uint32_t id, const FakeModel& model, const std::string& voice,
                            wire::EngineGenerateParams params) {
  wire::check(params.generation);
  Generation generation;
  generation.model = model;
  generation.voice = voice;
  generation.prompt = fake_prompt_text(params.generation, model.vocab_size);
  if (generation.prompt == "crash") crash();
  while (generation.prompt == "freeze") ::pause();
  generation.prompt_tokens = params.generation.tokens ? params.generation.tokens->size()
                                                      : fake_tokenize(generation.prompt).size();
  generation.context_tokens = model.context_tokens;
  if (params.context_tokens != 0)
    generation.context_tokens =
        std::min<std::uint64_t>(generation.context_tokens, params.context_tokens);
  if (generation.prompt_tokens >= generation.context_tokens) {
    Error error(Code::prompt_too_long, "the prompt leaves no room for a token");
    error.detail =
        wire::encode(wire::PromptTooLong{generation.prompt_tokens, generation.context_tokens});
    throw error;
  }
  generation.arrived = Clock::now();
  generation.next = never_ends(generation.prompt) ? Clock::time_point::max()
                                                  : generation.arrived + model.token_ms;
  generation.params = std::move(params);
  generations_.emplace(id, std::move(generation));
}

bool FakeGenerations::cancel(std::uint32_t id) {
  const auto found = generations_.find(id);
  if (found == generations_.end()) return false;
  if (never_ends(found->second.prompt)) return true;
  finish(id, found->second, "cancelled");
  generations_.erase(found);
  return true;
}

void FakeGenerations::cancel_all(std::uint64_t weights) {
  std::erase_if(generations_, [&](const auto& entry) {
    const wire::EngineGenerateParams& params = entry.second.params;
    if (params.weights != weights && params.adapter != weights) return false;
    finish(entry.first, entry.second, "cancelled");
    return true;
  });
}

void FakeGenerations::advance(Clock::time_point now) {
  advance_all(generations_, [&](std::uint32_t id, Generation& generation) {
    return advance(id, generation, now);
  });
}

bool FakeGenerations::advance(std::uint32_t id, Generation& generation, Clock::time_point now) {
  const wire::GenerationParams& params = generation.params.generation;
  if (params.deadline_ms != 0 && now - generation.arrived >= milliseconds(params.deadline_ms)) {
    finish(id, generation, "deadline");
    return true;
  }
  while (generation.next <= now) {
    const auto count = static_cast<std::uint32_t>(generation.tokens.size());
    if (generation.model.eos_after != 0 && !params.ignore_eos &&
        count >= generation.model.eos_after) {
      finish(id, generation, "stop");
      return true;
    }
    const std::uint32_t number = word_number(generation.model, count);
    const std::string word = generation.voice + fake_word(generation.prompt, number);
    generation.tokens.push_back(token_of(number));
    for (const std::string& stop : params.stop) {
      const std::size_t at = (generation.text + word).find(stop);
      if (at == std::string::npos || at < generation.text.size()) continue;
      send_chunk(id, generation, word.substr(0, at - generation.text.size()),
                 generation.tokens.back());
      finish(id, generation, "stop");
      return true;
    }
    send_chunk(id, generation, word, generation.tokens.back());
    generation.next += generation.model.token_ms;
    const bool at_most = params.max_tokens > 0 && count + 1 >= params.max_tokens;
    if (at_most || generation.prompt_tokens + count + 1 >= generation.context_tokens) {
      finish(id, generation, "length");
      return true;
    }
  }
  return false;
}

void FakeGenerations::send_chunk(std::uint32_t id, Generation& generation, const std::string& text,
                                 std::int32_t token) {
  generation.text += text;
  const wire::GenerationParams& params = generation.params.generation;
  if (!params.stream) return;
  wire::GenerateChunk chunk{id, generation.seq++, text, {token}, {}, {}, {}};
  if (params.logprobs) chunk.logprobs = {kLogprob};
  if (params.top_logprobs != 0)
    append_top(params.top_logprobs, token, chunk.top_tokens.emplace(),
               chunk.top_logprobs.emplace());
  outlet_.notify("generate.chunk", chunk);
}

void FakeGenerations::finish(std::uint32_t id, const Generation& generation,
                             const std::string& how) {
  const wire::GenerationParams& params = generation.params.generation;
  wire::GenerateResult result;
  result.finish = how;
  const std::size_t count = generation.tokens.size();
  result.usage = {generation.prompt_tokens,
                  0,
                  count,
                  0,
                  static_cast<std::uint64_t>(generation.model.token_ms.count()) * 1000,
                  microseconds_since(generation.arrived),
                  params.seed.value_or(0)};
  if (!params.stream) {
    result.text = generation.text;
    result.tokens = generation.tokens;
    if (params.logprobs) result.logprobs.emplace(count, kLogprob);
    if (params.top_logprobs != 0) {
      result.top_tokens.emplace();
      result.top_logprobs.emplace();
      for (const std::int32_t token : generation.tokens)
        append_top(params.top_logprobs, token, *result.top_tokens, *result.top_logprobs);
    }
  }
  outlet_.answer(id, result);
}

wire::PulseResult FakeGenerations::pulse() {
  const bool stalls = std::any_of(generations_.begin(), generations_.end(),
                                  [](const auto& open) { return open.second.prompt == "stall"; });
  if (!stalls) ++steps_;
  return {steps_, !generations_.empty()};
}

}  // namespace gpumodel::test

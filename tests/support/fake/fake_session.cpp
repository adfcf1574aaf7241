#include "support/fake/fake_session.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "support/fake/fake_text.hpp"
#include "wire/version.hpp"

namespace gpumodel::test {
namespace {

using std::chrono::milliseconds;
using wire::Code;
using wire::Error;

constexpr std::uint64_t kOwnBytes = 10u << 20;
constexpr milliseconds kProgressEvery{50};
constexpr float kLogprob = -0.5f;

[[noreturn]] void crash() {
  ::raise(SIGKILL);
  ::_exit(1);
}

template <class T>
std::uint64_t since(T then) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(FakeSession::Clock::now() - then)
          .count());
}

// Removes every entry for which `advance` says that it is over.
template <class Entries, class Advance>
void advance_all(Entries& entries, Advance advance) {
  for (auto it = entries.begin(); it != entries.end();)
    it = advance(it->first, it->second) ? entries.erase(it) : std::next(it);
}

}  // namespace

FakeSession::FakeSession(engine::server::Channel& channel, bool is_probe)
    : channel_(channel), is_probe_(is_probe) {}

template <class Result>
void FakeSession::answer(std::uint32_t id, const Result& result) {
  std::string out;
  wire::append_response(out, id, result);
  channel_.send(out);
}

void FakeSession::on_frame(const wire::Frame& frame) {
  if (frame.kind == wire::Frame::Kind::notification) {
    if (frame.method == "cancel") cancel(wire::decode<wire::CancelParams>(frame.params).request);
    return;
  }
  if (frame.kind != wire::Frame::Kind::request) return;
  try {
    on_request(frame);
  } catch (const Error& error) {
    std::string out;
    wire::append_error_response(out, frame.id, error);
    channel_.send(out);
  }
}

void FakeSession::on_request(const wire::Frame& frame) {
  if (is_probe_) {
    probe_request(frame);
  } else {
    engine_request(frame);
  }
}

void FakeSession::engine_request(const wire::Frame& frame) {
  if (frame.method == "start")
    return start(frame.id, wire::decode<wire::StartParams>(frame.params));
  if (!started_) throw Error(Code::state, "start comes first");
  if (frame.method == "load") return load(frame.id, wire::decode<wire::LoadParams>(frame.params));
  if (frame.method == "unload")
    return unload(frame.id, wire::decode<wire::UnloadParams>(frame.params));
  if (frame.method == "generate")
    return generate(frame.id, wire::decode<wire::EngineGenerateParams>(frame.params));
  if (frame.method == "measure") return measure(frame.id);
  throw Error(Code::unsupported, "no method " + frame.method);
}

void FakeSession::probe_request(const wire::Frame& frame) {
  const std::uint32_t id = frame.id;
  if (frame.method == "devices") {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const auto bytes =
        static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
    return answer(id, wire::DevicesResult{{{"cpu", "cpu", bytes}}});
  }
  if (frame.method == "inspect") {
    const auto params = wire::decode<wire::InspectParams>(frame.params);
    const FakeModel model = read_fake_model(params.path);
    if (model.fail == "inspect") throw Error(Code::model_bad, "config.json: made to fail");
    const wire::InspectResult result{model.identity,
                                     model.architecture,
                                     params.dtype == "auto" ? model.dtype : params.dtype,
                                     model.parameters,
                                     model.vocab_size,
                                     model.context_tokens,
                                     model.tensor_bytes,
                                     model.kv_bytes_per_token,
                                     model.workspace_bytes};
    return later(model.inspect_ms, [this, id, result] { answer(id, result); });
  }
  const FakeModel model = read_fake_model(wire::decode<wire::FolderTarget>(frame.params).path);
  if (frame.method == "tokenize")
    return answer(id, wire::TokensResult{
                          fake_tokenize(wire::decode<wire::TokenizeInput>(frame.params).text)});
  if (frame.method == "detokenize")
    return answer(id,
                  wire::TextResult{fake_detokenize(
                      wire::decode<wire::DetokenizeInput>(frame.params).tokens, model.vocab_size)});
  if (frame.method == "render")
    return answer(id, wire::TextResult{fake_render(wire::decode<wire::RenderInput>(frame.params))});
  throw Error(Code::unsupported, "no method " + frame.method);
}

void FakeSession::start(std::uint32_t id, const wire::StartParams& params) {
  if (started_) throw Error(Code::state, "started already");
  if (params.version != wire::build_version())
    throw Error(Code::version, "this engine is version " + std::string(wire::build_version()));
  started_ = params;
  answer(id, wire::StartResult{params.version, ::getpid(), "fake", 1, resident_bytes()});
}

void FakeSession::load(std::uint32_t id, const wire::LoadParams& params) {
  const FakeModel model = read_fake_model(params.path);
  if (model.fail == "crash") crash();
  if (model.fail == "model_bad") throw Error(Code::model_bad, "model.safetensors: made to fail");
  if (params.identity != model.identity)
    throw Error(Code::model_bad, "the files changed since they were inspected");
  Weights weights{model, params.kv_bytes};
  std::uint64_t held = weights.bytes();
  for (const auto& [number, other] : weights_) held += other.bytes();
  if (model.fail == "nomem" || held > started_->capacity_bytes)
    throw Error(Code::nomem, "the device's memory does not hold these weights");
  weights_[params.weights] = weights;
  const auto now = Clock::now();
  loads_[id] = {params, now, now};
}

bool FakeSession::advance_load(std::uint32_t id, Load& load, Clock::time_point now) {
  Weights& weights = weights_.at(load.params.weights);
  const FakeModel& model = weights.model;
  if (model.fail == "hang") return false;
  if (now - load.begun >= model.load_ms) {
    weights.ready = true;
    answer(id, wire::LoadResult{model.tensor_bytes, weights.kv_bytes, model.workspace_bytes,
                                since(load.begun) / 1000, resident_bytes()});
    return true;
  }
  if (now - load.reported >= kProgressEvery) {
    load.reported = now;
    const double fraction = std::chrono::duration<double>(now - load.begun) / model.load_ms;
    std::string out;
    wire::append_notification(
        out, "load.progress",
        wire::LoadProgress{
            load.params.weights,
            static_cast<std::uint64_t>(fraction * static_cast<double>(model.tensor_bytes)),
            model.tensor_bytes});
    channel_.send(out);
  }
  return false;
}

void FakeSession::unload(std::uint32_t id, const wire::UnloadParams& params) {
  const auto found = weights_.find(params.weights);
  if (found == weights_.end() || !found->second.ready)
    throw Error(Code::state, "no such weights are loaded");
  for (auto it = generations_.begin(); it != generations_.end();) {
    if (it->second.params.weights == params.weights) {
      finish(it->first, it->second, "cancelled");
      it = generations_.erase(it);
    } else {
      ++it;
    }
  }
  const Weights weights = found->second;
  weights_.erase(found);
  const auto begun = Clock::now();
  later(weights.model.unload_ms, [this, id, weights, begun] {
    const std::uint64_t left = weights.model.residual_bytes;
    leaked_bytes_ += left;
    answer(id, wire::UnloadResult{weights.bytes(), weights.bytes() - left, left,
                                  since(begun) / 1000, resident_bytes()});
  });
}

void FakeSession::generate(std::uint32_t id, wire::EngineGenerateParams params) {
  wire::check(params.generation);
  const auto found = weights_.find(params.weights);
  if (found == weights_.end() || !found->second.ready)
    throw Error(Code::state, "no such weights are loaded");
  Generation generation;
  generation.model = found->second.model;
  generation.prompt = fake_prompt_text(params.generation, generation.model.vocab_size);
  if (generation.prompt == "crash") crash();
  generation.prompt_tokens = params.generation.tokens ? params.generation.tokens->size()
                                                      : fake_tokenize(generation.prompt).size();
  generation.context_tokens = generation.model.context_tokens;
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
  generation.next = generation.prompt == "hang" ? Clock::time_point::max()
                                                : generation.arrived + generation.model.token_ms;
  generation.params = std::move(params);
  generations_.emplace(id, std::move(generation));
}

bool FakeSession::advance_generation(std::uint32_t id, Generation& generation,
                                     Clock::time_point now) {
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
    const std::string word = fake_word(generation.prompt, count);
    for (const std::string& stop : params.stop) {
      const std::size_t at = (generation.text + word).find(stop);
      if (at == std::string::npos || at < generation.text.size()) continue;
      generation.tokens.push_back(kFirstWordToken + static_cast<std::int32_t>(count));
      send_chunk(id, generation, word.substr(0, at - generation.text.size()),
                 generation.tokens.back());
      finish(id, generation, "stop");
      return true;
    }
    generation.tokens.push_back(kFirstWordToken + static_cast<std::int32_t>(count));
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

void FakeSession::send_chunk(std::uint32_t id, Generation& generation, const std::string& text,
                             std::int32_t token) {
  generation.text += text;
  const wire::GenerationParams& params = generation.params.generation;
  if (!params.stream) return;
  wire::GenerateChunk chunk{id, generation.seq++, text, {token}, {}, {}, {}};
  if (params.logprobs) chunk.logprobs = {kLogprob};
  if (params.top_logprobs != 0) {
    chunk.top_tokens.emplace(params.top_logprobs, token);
    chunk.top_logprobs.emplace(params.top_logprobs, kLogprob);
  }
  std::string out;
  wire::append_notification(out, "generate.chunk", chunk);
  channel_.send(out);
}

void FakeSession::finish(std::uint32_t id, const Generation& generation, const std::string& how) {
  const wire::GenerationParams& params = generation.params.generation;
  wire::GenerateResult result;
  result.finish = how;
  const std::size_t count = generation.tokens.size();
  result.usage = {generation.prompt_tokens,
                  0,
                  count,
                  0,
                  static_cast<std::uint64_t>(generation.model.token_ms.count()) * 1000,
                  since(generation.arrived),
                  params.seed.value_or(0)};
  if (!params.stream) {
    result.text = generation.text;
    result.tokens = generation.tokens;
    if (params.logprobs) result.logprobs.emplace(count, kLogprob);
    if (params.top_logprobs != 0) {
      result.top_tokens.emplace();
      for (const std::int32_t token : generation.tokens)
        result.top_tokens->insert(result.top_tokens->end(), params.top_logprobs, token);
      result.top_logprobs.emplace(count * params.top_logprobs, kLogprob);
    }
  }
  answer(id, result);
}

void FakeSession::cancel(std::uint32_t id) {
  if (const auto found = generations_.find(id); found != generations_.end()) {
    if (found->second.prompt == "hang") return;
    finish(id, found->second, "cancelled");
    generations_.erase(found);
  } else if (const auto loading = loads_.find(id); loading != loads_.end()) {
    weights_.erase(loading->second.params.weights);
    loads_.erase(loading);
    std::string out;
    wire::append_error_response(out, id, Error(Code::interrupted, "the load was cancelled"));
    channel_.send(out);
  }
}

void FakeSession::measure(std::uint32_t id) {
  wire::MeasureResult result;
  result.resident_bytes = resident_bytes();
  for (const auto& [number, weights] : weights_)
    if (weights.ready) result.weights.push_back({number, weights.bytes()});
  answer(id, result);
}

std::chrono::milliseconds FakeSession::tick() {
  const auto now = Clock::now();
  advance_all(loads_, [&](auto id, Load& load) { return advance_load(id, load, now); });
  advance_all(generations_, [&](auto id, Generation& generation) {
    return advance_generation(id, generation, now);
  });
  // An action may start another timer.
  for (std::size_t i = 0; i < timers_.size();) {
    if (timers_[i].due > now) {
      ++i;
      continue;
    }
    const auto action = std::move(timers_[i].action);
    timers_.erase(timers_.begin() + static_cast<std::ptrdiff_t>(i));
    action();
  }
  const bool idle = loads_.empty() && generations_.empty() && timers_.empty();
  return idle ? engine::server::Channel::kForever : milliseconds(1);
}

void FakeSession::later(milliseconds delay, std::function<void()> action) {
  if (delay == milliseconds(0)) return action();
  timers_.push_back({Clock::now() + delay, std::move(action)});
}

std::uint64_t FakeSession::resident_bytes() const {
  std::uint64_t bytes = kOwnBytes + leaked_bytes_;
  for (const auto& [number, weights] : weights_) bytes += weights.bytes();
  return bytes;
}

}  // namespace gpumodel::test

// The structs of PROTOCOL.md, field by field; units, ranges and errors stand there.
#pragma once

#include "wire/codec.hpp"
#include "wire/limits.hpp"

namespace gpumodel::wire {

struct Empty {
  template <class Self, class V>
  static void fields(Self&, V&&) {}
};

struct HelloParams {
  int protocol = 1;
  std::string client;
  std::string app;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("protocol", self.protocol);
    visit("client", self.client);
    visit("app", self.app);
  }
};

struct DaemonInfo {
  std::string version;
  std::int64_t pid = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("version", self.version);
    visit("pid", self.pid);
  }
};

struct LimitsInfo {
  std::uint64_t message_bytes = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t connections = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("message_bytes", self.message_bytes);
    visit("in_flight", self.in_flight);
    visit("output_bytes", self.output_bytes);
    visit("connections", self.connections);
  }
};

struct HelloResult {
  int protocol = kProtocolVersion;
  DaemonInfo daemon;
  LimitsInfo limits;
  std::int64_t max_wait_ms = 0;
  std::vector<std::string> features;
  std::uint64_t session = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("protocol", self.protocol);
    visit("daemon", self.daemon);
    visit("limits", self.limits);
    visit("max_wait_ms", self.max_wait_ms);
    visit("features", self.features);
    visit("session", self.session);
  }
};

// A request to cancel, as notification; also what load progress and chunks name.
struct CancelParams {
  std::uint32_t request = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("request", self.request);
  }
};

struct CallJsonParams {
  std::string method;
  std::optional<std::string> params;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("method", self.method);
    visit("params", self.params);
  }
};

struct CallJsonResult {
  std::string result;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("result", self.result);
  }
};

// ---- leases

struct AcquireParams {
  std::vector<std::string> models;
  std::int64_t wait_ms = -1;
  std::uint32_t context_tokens = 0;
  bool only_if_ready = false;
  bool wait_foreign = false;
  bool progress = false;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("models", self.models);
    visit("wait_ms", self.wait_ms);
    visit("context_tokens", self.context_tokens);
    visit("only_if_ready", self.only_if_ready);
    visit("wait_foreign", self.wait_foreign);
    visit("progress", self.progress);
  }
};

struct LeaseGrant {
  std::uint64_t lease = 0;
  std::uint64_t epoch = 0;
  std::string model;
  std::uint32_t context_tokens = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
    visit("epoch", self.epoch);
    visit("model", self.model);
    visit("context_tokens", self.context_tokens);
  }
};

struct AcquireResult {
  std::vector<LeaseGrant> leases;
  std::uint64_t waited_ms = 0;
  std::uint64_t load_ms = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("leases", self.leases);
    visit("waited_ms", self.waited_ms);
    visit("load_ms", self.load_ms);
  }
};

struct LeaseProgress {
  std::uint32_t request = 0;
  std::string phase;
  std::uint32_t position = 0;
  float fraction = 0;
  std::optional<std::uint64_t> eta_ms;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("request", self.request);
    visit("phase", self.phase);
    visit("position", self.position);
    visit("fraction", self.fraction);
    visit("eta_ms", self.eta_ms);
  }
};

struct ReleaseParams {
  std::uint64_t lease = 0;
  std::uint64_t epoch = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
    visit("epoch", self.epoch);
  }
};

struct ReleaseResult {
  std::string outcome;
  std::uint32_t remaining_leases = 0;
  std::uint64_t expected_bytes = 0;
  std::uint64_t freed_bytes = 0;
  std::uint64_t residual_bytes = 0;
  std::uint64_t unload_ms = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("outcome", self.outcome);
    visit("remaining_leases", self.remaining_leases);
    visit("expected_bytes", self.expected_bytes);
    visit("freed_bytes", self.freed_bytes);
    visit("residual_bytes", self.residual_bytes);
    visit("unload_ms", self.unload_ms);
  }
};

// ---- text and generation

struct Message {
  std::string role;
  std::string content;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("role", self.role);
    visit("content", self.content);
  }
};

// What to generate and how; the lease (public) or the weights (engine) stand beside it.
struct GenerationParams {
  std::optional<std::string> prompt;
  std::optional<std::vector<Message>> messages;
  std::optional<std::string> messages_json;
  std::optional<std::vector<std::int32_t>> tokens;

  bool stream = false;
  std::int64_t max_tokens = -1;
  std::optional<float> temperature;
  std::optional<float> top_p;
  std::optional<std::int64_t> top_k;
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::vector<std::pair<std::int32_t, float>> logit_bias;
  std::optional<std::int64_t> seed;
  std::vector<std::string> stop;
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;
  bool ignore_eos = false;
  std::uint64_t deadline_ms = 0;
  std::optional<std::string> json_schema;
  std::optional<std::string> regex;
  std::optional<std::string> grammar;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("prompt", self.prompt);
    visit("messages", self.messages);
    visit("messages_json", self.messages_json);
    visit("tokens", self.tokens);
    visit("stream", self.stream);
    visit("max_tokens", self.max_tokens);
    visit("temperature", self.temperature);
    visit("top_p", self.top_p);
    visit("top_k", self.top_k);
    visit("min_p", self.min_p);
    visit("repetition_penalty", self.repetition_penalty);
    visit("presence_penalty", self.presence_penalty);
    visit("frequency_penalty", self.frequency_penalty);
    visit("logit_bias", self.logit_bias);
    visit("seed", self.seed);
    visit("stop", self.stop);
    visit("logprobs", self.logprobs);
    visit("top_logprobs", self.top_logprobs);
    visit("ignore_eos", self.ignore_eos);
    visit("deadline_ms", self.deadline_ms);
    visit("json_schema", self.json_schema);
    visit("regex", self.regex);
    visit("grammar", self.grammar);
  }
};

// Throws Error{Code::invalid | Code::bad_request} for what PROTOCOL.md's table does not allow.
void check(const GenerationParams& params);

struct GenerateParams {
  std::uint64_t lease = 0;
  std::uint64_t epoch = 0;
  GenerationParams generation;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
    visit("epoch", self.epoch);
    GenerationParams::fields(self.generation, visit);
  }
};

struct Usage {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_tokens = 0;
  std::uint64_t output_tokens = 0;
  std::uint64_t queue_us = 0;
  std::uint64_t first_token_us = 0;
  std::uint64_t total_us = 0;
  std::int64_t seed = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("prompt_tokens", self.prompt_tokens);
    visit("cached_tokens", self.cached_tokens);
    visit("output_tokens", self.output_tokens);
    visit("queue_us", self.queue_us);
    visit("first_token_us", self.first_token_us);
    visit("total_us", self.total_us);
    visit("seed", self.seed);
  }
};

// The detail of `prompt_too_long`.
struct PromptTooLong {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t context_tokens = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("prompt_tokens", self.prompt_tokens);
    visit("context_tokens", self.context_tokens);
  }
};

struct GenerateResult {
  std::string finish;
  Usage usage;
  std::optional<std::string> text;
  std::optional<std::vector<std::int32_t>> tokens;
  std::optional<std::vector<float>> logprobs;
  std::optional<std::vector<std::int32_t>> top_tokens;
  std::optional<std::vector<float>> top_logprobs;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("finish", self.finish);
    visit("usage", self.usage);
    visit("text", self.text);
    visit("tokens", self.tokens);
    visit("logprobs", self.logprobs);
    visit("top_tokens", self.top_tokens);
    visit("top_logprobs", self.top_logprobs);
  }
};

struct GenerateChunk {
  std::uint32_t request = 0;
  std::uint32_t seq = 0;
  std::string text;
  std::vector<std::int32_t> tokens;
  std::optional<std::vector<float>> logprobs;
  std::optional<std::vector<std::int32_t>> top_tokens;
  std::optional<std::vector<float>> top_logprobs;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("request", self.request);
    visit("seq", self.seq);
    visit("text", self.text);
    visit("tokens", self.tokens);
    visit("logprobs", self.logprobs);
    visit("top_tokens", self.top_tokens);
    visit("top_logprobs", self.top_logprobs);
  }
};

// Whom a text method asks: a lease, or a model by name.
struct TextTarget {
  std::optional<std::uint64_t> lease;
  std::optional<std::uint64_t> epoch;
  std::optional<std::string> model;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
    visit("epoch", self.epoch);
    visit("model", self.model);
  }
};

struct TokenizeInput {
  std::string text;
  bool special = false;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("text", self.text);
    visit("special", self.special);
  }
};

struct DetokenizeInput {
  std::vector<std::int32_t> tokens;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("tokens", self.tokens);
  }
};

struct RenderInput {
  std::optional<std::vector<Message>> messages;
  std::optional<std::string> messages_json;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("messages", self.messages);
    visit("messages_json", self.messages_json);
  }
};

// A text method's params: the target, and the input beside it in the same map.
template <class Target, class Input>
struct TextParams {
  Target target;
  Input input;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    Target::fields(self.target, visit);
    Input::fields(self.input, visit);
  }
};

struct TokensResult {
  std::vector<std::int32_t> tokens;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("tokens", self.tokens);
  }
};

struct TextResult {
  std::string text;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("text", self.text);
  }
};

}  // namespace gpumodel::wire

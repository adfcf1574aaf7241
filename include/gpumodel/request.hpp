// From the plain structs to gpumodel.h's, and chat messages with tools as JSON. Not for programs,
// but for messages_json().
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "options.hpp"
#include "result.hpp"

namespace gpumodel {
namespace detail {

struct Free {
  void operator()(void* pointer) const noexcept { gm_free(pointer); }
  void operator()(gm_client* client) const noexcept { gm_client_close(client); }
  void operator()(gm_lease* lease) const noexcept { gm_lease_free(lease); }
  void operator()(gm_stream* stream) const noexcept { gm_stream_free(stream); }
  void operator()(gm_models* models) const noexcept { gm_models_free(models); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// What a gm_event_fn gets as `user`. Every handle of a client shares it, since a thread that waits
// on a stream may still be inside a callback when another one closes the client.
struct Handler {
  std::function<void(const Event&)> on_event;

  static void call(gm_client*, const gm_event* raw, void* user) noexcept {
    Event event;
    event.type = static_cast<EventType>(raw->type);
    event.lease = raw->lease;
    event.position = raw->position;
    event.fraction = raw->fraction;
    event.eta = std::chrono::milliseconds(raw->eta_ms);
    if (raw->json != nullptr) event.json = raw->json;
#if GPUMODEL_EXCEPTIONS
    try {
      static_cast<const Handler*>(user)->on_event(event);
    } catch (...) {
      if (!thrown_by_event()) thrown_by_event() = std::current_exception();
    }
#else
    static_cast<const Handler*>(user)->on_event(event);
#endif
  }
};
using SharedHandler = std::shared_ptr<Handler>;

// Texts as gpumodel.h takes them, terminated. The first that holds a NUL byte is the fault.
class Texts {
 public:
  const char* check(const char* name, const std::string& text) {
    if (!fault_ && text.find('\0') != text.npos)
      fault_.emplace(GM_E_INVALID, std::string(name) + " holds a NUL byte");
    return text.c_str();
  }
  // Null where it is empty.
  const char* optional(const char* name, const std::string& text) {
    return text.empty() ? nullptr : check(name, text);
  }
  const std::optional<Error>& fault() const noexcept { return fault_; }

 private:
  std::optional<Error> fault_;
};

// A gm_request for as long as the options and messages that it was made from live.
class RawRequest {
 public:
  explicit RawRequest(const GenerateOptions& options) {
    gm_request_init(&raw, sizeof raw);
    set(raw.max_tokens, options.max_tokens);
    set(raw.temperature, options.temperature);
    set(raw.top_p, options.top_p);
    set(raw.top_k, options.top_k);
    set(raw.min_p, options.min_p);
    set(raw.repetition_penalty, options.repetition_penalty);
    set(raw.seed, options.seed);
    raw.presence_penalty = options.presence_penalty;
    raw.frequency_penalty = options.frequency_penalty;
    raw.logit_bias = options.logit_bias.data();
    raw.logit_bias_count = options.logit_bias.size();
    for (const std::string& stop : options.stop)
      stops_.push_back(texts.check("a stop string", stop));
    raw.stop = stops_.data();
    raw.stop_count = stops_.size();
    raw.json_schema = texts.optional("json_schema", options.json_schema);
    raw.regex = texts.optional("regex", options.regex);
    raw.grammar = texts.optional("grammar", options.grammar);
    raw.logprobs = options.logprobs ? 1 : 0;
    raw.top_logprobs = options.top_logprobs;
    raw.ignore_eos = options.ignore_eos ? 1 : 0;
    if (options.deadline) {
      constexpr std::chrono::milliseconds::rep kMost = std::numeric_limits<std::uint32_t>::max();
      raw.deadline_ms = static_cast<std::uint32_t>(
          std::clamp<std::chrono::milliseconds::rep>(options.deadline->count(), 1, kMost));
    }
  }
  RawRequest(const RawRequest&) = delete;
  RawRequest& operator=(const RawRequest&) = delete;

  void set_prompt(std::string_view prompt) {
    raw.prompt = prompt.empty() ? "" : prompt.data();
    raw.prompt_len = prompt.size();
  }
  void set_messages(const std::vector<Message>& messages) {
    for (const Message& message : messages)
      messages_.push_back({texts.check("a message's role", message.role),
                           texts.check("a message's content", message.content)});
    raw.messages = messages_.data();
    raw.message_count = messages_.size();
  }
  void set_tokens(const std::vector<std::int32_t>& tokens) {
    raw.tokens = tokens.data();
    raw.token_count = tokens.size();
  }
  void set_messages_json(const std::string& json) {
    raw.messages_json = texts.check("messages_json", json);
  }

  gm_request raw;
  Texts texts;

 private:
  template <class T>
  static void set(T& field, const std::optional<T>& given) {
    if (given) field = *given;
  }

  std::vector<const char*> stops_;
  std::vector<gm_message> messages_;
};

inline Summary summary_of(const gm_result& raw) {
  Summary summary;
  summary.finish = static_cast<Finish>(raw.finish);
  summary.prompt_tokens = raw.prompt_tokens;
  summary.cached_tokens = raw.cached_tokens;
  summary.output_tokens = raw.output_tokens;
  summary.seed = raw.seed;
  summary.queue_time = std::chrono::microseconds(raw.queue_us);
  summary.first_token_time = std::chrono::microseconds(raw.first_token_us);
  summary.total_time = std::chrono::microseconds(raw.total_us);
  return summary;
}

inline ReleaseReport report_of(const gm_release_report& raw) {
  ReleaseReport report;
  report.outcome = static_cast<ReleaseOutcome>(raw.outcome);
  report.remaining_leases = raw.remaining_leases;
  report.expected_bytes = raw.expected_bytes;
  report.freed_bytes = raw.freed_bytes;
  report.residual_bytes = raw.residual_bytes;
  report.unload_time = std::chrono::milliseconds(raw.unload_ms);
  return report;
}

inline void append_json(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += '"';
}

}  // namespace detail

// Messages and tools as render() and stream_json() take them: add template values of your own with
// a JSON library.
inline std::string messages_json(const std::vector<Message>& messages,
                                 const std::vector<Tool>& tools = {}) {
  std::string out = "{\"messages\":[";
  for (const Message& message : messages) {
    if (out.back() != '[') out += ',';
    out += "{\"role\":";
    detail::append_json(out, message.role);
    out += ",\"content\":";
    detail::append_json(out, message.content);
    out += '}';
  }
  out += ']';
  if (!tools.empty()) out += ",\"tools\":[";
  for (const Tool& tool : tools) {
    if (out.back() != '[') out += ',';
    out += "{\"type\":\"function\",\"function\":{\"name\":";
    detail::append_json(out, tool.name);
    out += ",\"description\":";
    detail::append_json(out, tool.description);
    out += ",\"parameters\":" + tool.parameters + "}}";
  }
  if (!tools.empty()) out += ']';
  return out + '}';
}

}  // namespace gpumodel

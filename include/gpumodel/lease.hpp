// The right to use one model, until it is released, freed or the connection ends.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "request.hpp"
#include "stream.hpp"

namespace gpumodel {

class Lease {
 public:
  Lease() = default;

  // Of one from Client::begin(): whether it is held, false while it is pending; the error where it
  // was refused.
  Result<bool> try_poll() {
    const Code code = gm_lease_poll(lease_.get());
    if (code < 0) return Error::last(code);
    return code == GM_OK;
  }

  Result<LeaseInfo> try_info() const {
    gm_lease_info raw = GM_LEASE_INFO_INIT;
    const Code code = gm_lease_get_info(lease_.get(), &raw);
    if (code < 0) return Error::last(code);
    LeaseInfo info;
    info.id = raw.id;
    info.epoch = raw.epoch;
    info.state = static_cast<LeaseState>(raw.state);
    info.context_tokens = raw.context_tokens;
    info.model = raw.model;
    return info;
  }

  // Ends the lease and waits for the daemon's report; none within the timeout: it goes on, and the
  // same call asks again. Where memory did not come back the error is GM_E_RESIDUAL, with a report.
  Result<std::optional<ReleaseReport>> try_release(Timeout timeout = kWaitForever) {
    gm_release_report raw = GM_RELEASE_REPORT_INIT;
    const Code code = gm_lease_release(lease_.get(), timeout.ms(), &raw);
    if (code == GM_E_RESIDUAL) return Error::last(code, detail::report_of(raw));
    if (code < 0) return Error::last(code);
    if (code != GM_OK) return std::optional<ReleaseReport>();
    return std::optional<ReleaseReport>(detail::report_of(raw));
  }

  // The whole text of one generation. A deadline that passes is a finish, not an error.
  Result<Completion> try_complete(std::string_view prompt, const GenerateOptions& options = {}) {
    detail::RawRequest request(options);
    const std::string terminated(prompt);
    request.texts.check("the prompt", terminated);
    return run(request, [&](char** text, gm_result* result) {
      return gm_complete(lease_.get(), terminated.c_str(), &request.raw, text, result);
    });
  }

  // Through the model's chat template.
  Result<Completion> try_chat(const std::vector<Message>& messages,
                              const GenerateOptions& options = {},
                              const std::vector<Tool>& tools = {}) {
    detail::RawRequest request(options);
    if (!tools.empty()) {
      Result<Stream> stream = try_stream_chat(messages, options, tools);
      if (!stream) return stream.error();
      return stream->try_read_all();
    }
    request.set_messages(messages);
    return run(request, [&](char** text, gm_result* result) {
      return gm_chat(lease_.get(), request.raw.messages, messages.size(), &request.raw, text,
                     result);
    });
  }

  // These only send; everything else is waited for in the stream.
  Result<Stream> try_stream(std::string_view prompt, const GenerateOptions& options = {}) {
    detail::RawRequest request(options);
    request.set_prompt(prompt);
    return start(request);
  }
  Result<Stream> try_stream_chat(const std::vector<Message>& messages,
                                 const GenerateOptions& options = {},
                                 const std::vector<Tool>& tools = {}) {
    if (!tools.empty()) return try_stream_json(messages_json(messages, tools), options);
    detail::RawRequest request(options);
    request.set_messages(messages);
    return start(request);
  }
  // A JSON array of messages, or an object with messages, tools and template values.
  Result<Stream> try_stream_json(std::string_view json, const GenerateOptions& options = {}) {
    detail::RawRequest request(options);
    const std::string terminated(json);
    request.set_messages_json(terminated);
    return start(request);
  }
  Result<Stream> try_stream_tokens(const std::vector<std::int32_t>& tokens,
                                   const GenerateOptions& options = {}) {
    detail::RawRequest request(options);
    request.set_tokens(tokens);
    return start(request);
  }

  // Text tools; they never bring a suspended model back. What the model is given for these
  // messages:
  Result<std::string> try_render(std::string_view json, Timeout timeout = kWaitForever) {
    const std::string terminated(json);
    detail::Texts texts;
    texts.check("messages_json", terminated);
    if (texts.fault()) return *texts.fault();
    char* text = nullptr;
    const Code code = gm_render(lease_.get(), terminated.c_str(), timeout.ms(), &text);
    if (code < 0) return Error::last(code);
    const detail::Owned<char> owned(text);
    return std::string(text);
  }
  // No special tokens are added, and none are read in the text.
  Result<std::vector<std::int32_t>> try_tokenize(std::string_view text,
                                                 Timeout timeout = kWaitForever) {
    std::int32_t* tokens = nullptr;
    std::size_t count = 0;
    const char* data = text.empty() ? "" : text.data();
    const Code code = gm_tokenize(lease_.get(), data, text.size(), timeout.ms(), &tokens, &count);
    if (code < 0) return Error::last(code);
    const detail::Owned<std::int32_t> owned(tokens);
    return std::vector<std::int32_t>(tokens, tokens + count);
  }
  Result<std::string> try_detokenize(const std::vector<std::int32_t>& tokens,
                                     Timeout timeout = kWaitForever) {
    char* text = nullptr;
    std::size_t size = 0;
    const Code code =
        gm_detokenize(lease_.get(), tokens.data(), tokens.size(), timeout.ms(), &text, &size);
    if (code < 0) return Error::last(code);
    const detail::Owned<char> owned(text);
    return std::string(text, size);
  }

#if GPUMODEL_EXCEPTIONS
  bool poll() { return detail::unwrap(try_poll()); }
  LeaseInfo info() const { return detail::unwrap(try_info()); }
  std::optional<ReleaseReport> release(Timeout timeout = kWaitForever) {
    return detail::unwrap(try_release(timeout));
  }
  Completion complete(std::string_view prompt, const GenerateOptions& options = {}) {
    return detail::unwrap(try_complete(prompt, options));
  }
  Completion chat(const std::vector<Message>& messages, const GenerateOptions& options = {},
                  const std::vector<Tool>& tools = {}) {
    return detail::unwrap(try_chat(messages, options, tools));
  }
  Stream stream(std::string_view prompt, const GenerateOptions& options = {}) {
    return detail::unwrap(try_stream(prompt, options));
  }
  Stream stream_chat(const std::vector<Message>& messages, const GenerateOptions& options = {},
                     const std::vector<Tool>& tools = {}) {
    return detail::unwrap(try_stream_chat(messages, options, tools));
  }
  Stream stream_json(std::string_view json, const GenerateOptions& options = {}) {
    return detail::unwrap(try_stream_json(json, options));
  }
  Stream stream_tokens(const std::vector<std::int32_t>& tokens,
                       const GenerateOptions& options = {}) {
    return detail::unwrap(try_stream_tokens(tokens, options));
  }
  std::string render(std::string_view json, Timeout timeout = kWaitForever) {
    return detail::unwrap(try_render(json, timeout));
  }
  std::vector<std::int32_t> tokenize(std::string_view text, Timeout timeout = kWaitForever) {
    return detail::unwrap(try_tokenize(text, timeout));
  }
  std::string detokenize(const std::vector<std::int32_t>& tokens, Timeout timeout = kWaitForever) {
    return detail::unwrap(try_detokenize(tokens, timeout));
  }
#endif

  gm_lease* handle() const noexcept { return lease_.get(); }
  explicit operator bool() const noexcept { return lease_ != nullptr; }

 private:
  friend class Client;
  Lease(gm_lease* lease, detail::SharedHandler handler) noexcept
      : handler_(std::move(handler)), lease_(lease) {}

  template <class Call>
  static Result<Completion> run(const detail::RawRequest& request, Call call) {
    if (request.texts.fault()) return *request.texts.fault();
    char* text = nullptr;
    gm_result raw = GM_RESULT_INIT;
    const Code code = call(&text, &raw);
    if (code < 0) return Error::last(code);
    const detail::Owned<char> owned(text);
    Completion completion;
    completion.text.assign(text, raw.text_len);
    completion.summary = detail::summary_of(raw);
    return completion;
  }

  Result<Stream> start(const detail::RawRequest& request) {
    if (request.texts.fault()) return *request.texts.fault();
    gm_stream* stream = nullptr;
    const Code code = gm_generate(lease_.get(), &request.raw, &stream);
    if (code < 0) return Error::last(code);
    return Stream(stream, request.raw.top_logprobs, handler_);
  }

  detail::SharedHandler handler_;
  detail::Owned<gm_lease> lease_;
};

}  // namespace gpumodel

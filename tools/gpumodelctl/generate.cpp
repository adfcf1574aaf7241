#include "gpumodelctl/generate.hpp"

#include <fmt/core.h>

#include <cstdio>

#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

const char* finish_name(std::uint32_t finish) {
  switch (finish) {
    case GM_FINISH_STOP:
      return "stop";
    case GM_FINISH_LENGTH:
      return "length";
    case GM_FINISH_CANCELLED:
      return "cancelled";
    case GM_FINISH_DEADLINE:
      return "deadline";
    default:
      return "error";
  }
}

void collect(const gm_chunk& chunk, std::uint32_t top, Generated& out) {
  out.text.append(chunk.text, chunk.text_len);
  out.tokens.insert(out.tokens.end(), chunk.tokens, chunk.tokens + chunk.token_count);
  if (chunk.logprobs != nullptr)
    out.logprobs.insert(out.logprobs.end(), chunk.logprobs, chunk.logprobs + chunk.token_count);
  if (chunk.top_tokens != nullptr && chunk.top_logprobs != nullptr) {
    const std::size_t count = chunk.token_count * top;
    out.top_tokens.insert(out.top_tokens.end(), chunk.top_tokens, chunk.top_tokens + count);
    out.top_logprobs.insert(out.top_logprobs.end(), chunk.top_logprobs, chunk.top_logprobs + count);
  }
}

// One list of {token, logprob} for each emitted token.
ordered_json top_json(const Generated& generated, std::uint32_t top) {
  ordered_json rows = ordered_json::array();
  for (std::size_t at = 0; top != 0 && at + top <= generated.top_tokens.size(); at += top) {
    ordered_json row = ordered_json::array();
    for (std::size_t i = at; i < at + top; ++i)
      row.push_back({{"token", generated.top_tokens[i]}, {"logprob", generated.top_logprobs[i]}});
    rows.push_back(std::move(row));
  }
  return rows;
}

// A schema is an object or a boolean; anything else names a file.
std::string schema_text(const std::string& schema) {
  const std::size_t first = schema.find_first_not_of(" \t\r\n");
  const bool is_json =
      (first != std::string::npos && schema[first] == '{') || schema == "true" || schema == "false";
  return is_json ? schema : read_input(schema);
}

void print_logprobs(const Generated& generated) {
  for (std::size_t i = 0; i < generated.logprobs.size(); ++i)
    fmt::print("{}\t{:.6f}\n", generated.tokens[i], generated.logprobs[i]);
}

}  // namespace

ordered_json to_json(const Generated& generated, bool logprobs, std::uint32_t top_logprobs) {
  const gm_result& result = generated.result;
  ordered_json out{{"text", generated.text}, {"tokens", generated.tokens}};
  out["logprobs"] = logprobs ? ordered_json(generated.logprobs) : ordered_json();
  if (top_logprobs != 0) out["top_logprobs"] = top_json(generated, top_logprobs);
  out["finish"] = finish_name(result.finish);
  out["usage"] = {{"prompt_tokens", result.prompt_tokens},
                  {"cached_tokens", result.cached_tokens},
                  {"output_tokens", result.output_tokens},
                  {"queue_us", result.queue_us},
                  {"first_token_us", result.first_token_us},
                  {"total_us", result.total_us},
                  {"seed", result.seed}};
  return out;
}

std::string json_text(const ordered_json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace);
}

gm_request Sampling::request() const {
  gm_request request;
  gm_request_init(&request, sizeof request);
  request.max_tokens = max_tokens;
  request.temperature = temperature;
  request.top_p = top_p;
  request.top_k = top_k;
  request.min_p = min_p;
  request.repetition_penalty = repetition_penalty;
  request.presence_penalty = presence_penalty;
  request.frequency_penalty = frequency_penalty;
  request.seed = seed;
  stop_pointers_.clear();
  for (const std::string& text : stop) stop_pointers_.push_back(text.c_str());
  request.stop = stop_pointers_.data();
  request.stop_count = stop_pointers_.size();
  request.ignore_eos = ignore_eos ? 1 : 0;
  request.deadline_ms = deadline_ms;
  return request;
}

Generated generate(gm_lease* lease, const gm_request& request, bool echo) {
  gm_stream* raw = nullptr;
  check(gm_generate(lease, &request, &raw));
  const Stream stream(raw);
  Generated out;
  for (;;) {
    gm_chunk chunk = GM_CHUNK_INIT;
    const gm_status status = gm_stream_next(raw, &chunk, GM_WAIT_FOREVER);
    if (status == GM_END) break;
    if (status == GM_E_INTERRUPTED && !out.interrupted) {
      out.interrupted = true;
      check(gm_stream_cancel(raw));
      continue;
    }
    check(status);
    collect(chunk, request.top_logprobs, out);
    if (echo) {
      std::fwrite(chunk.text, 1, chunk.text_len, stdout);
      std::fflush(stdout);
    }
  }
  check(gm_stream_result(raw, &out.result));
  return out;
}

int run_generate(const GenerateCommand& command) {
  // Input is read before a lease is taken: nobody waits for somebody who is still typing.
  std::string input;
  gm_request request = command.sampling.request();
  if (!command.tokens.empty()) {
    request.tokens = command.tokens.data();
    request.token_count = command.tokens.size();
  } else if (!command.messages_file.empty() || !command.messages.empty()) {
    input = command.messages.empty() ? read_input(command.messages_file) : command.messages;
    request.messages_json = input.c_str();
  } else {
    input = command.has_prompt ? command.prompt : read_input("-");
    request.prompt = input.c_str();
    request.prompt_len = input.size();
  }
  std::string constraint;
  if (command.json_schema) {
    constraint = schema_text(*command.json_schema);
    request.json_schema = constraint.c_str();
  } else if (command.grammar_file) {
    constraint = read_input(*command.grammar_file);
    request.grammar = constraint.c_str();
  } else if (command.regex) {
    request.regex = command.regex->c_str();
  }
  request.logprobs = command.logprobs ? 1 : 0;
  request.top_logprobs = command.top_logprobs;

  const Client client = connect(command.socket);
  const InterruptGuard guard(client.get());
  const Lease lease = acquire(client.get(), command.model, command.wait_ms);
  const Generated generated = generate(lease.get(), request, /*echo=*/!command.json);
  if (command.json) {
    fmt::print("{}\n", json_text(to_json(generated, command.logprobs, command.top_logprobs)));
  } else {
    if (!generated.text.empty() && generated.text.back() != '\n') std::fputc('\n', stdout);
    if (command.logprobs) print_logprobs(generated);
  }
  std::fflush(stdout);
  if (generated.interrupted) return kExitInterrupted;
  if (generated.result.finish == GM_FINISH_CANCELLED) {
    fmt::print(stderr, "gpumodelctl: the daemon ended the generation before it was done\n");
    return kExitFailed;
  }
  release(lease.get());
  return kExitDone;
}

}  // namespace gpumodelctl

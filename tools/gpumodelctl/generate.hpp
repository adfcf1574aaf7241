// `generate` and `chat`: a lease, a stream, and what comes out of it.
#pragma once

#include <gpumodel.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace gpumodelctl {

// Sampling values as the command line gives them; those that were not given keep the library's
// default.
struct Sampling {
  std::int32_t max_tokens = -1;
  float temperature = -1;
  float top_p = -1;
  std::int32_t top_k = -1;
  float min_p = -1;
  float repetition_penalty = -1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::int64_t seed = -1;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::uint32_t deadline_ms = 0;

  // A request with these values. Borrows the stop strings.
  gm_request request() const;

 private:
  mutable std::vector<const char*> stop_pointers_;
};

struct GenerateCommand {
  std::string socket;
  std::string model;
  std::string prompt;       // used where has_prompt
  bool has_prompt = false;  // else standard input, unless tokens or messages are given
  std::vector<std::int32_t> tokens;
  std::string messages_file;
  std::string messages;  // what such a file would hold
  int wait_ms = GM_WAIT_FOREVER;
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;
  // At most one.
  std::optional<std::string> json_schema;  // JSON, or a file with it
  std::optional<std::string> regex;
  std::optional<std::string> grammar_file;
  bool json = false;
  Sampling sampling;
};

// Return an exit code; throw Failure.
int run_generate(const GenerateCommand& command);

struct ChatCommand {
  std::string socket;
  std::string model;
  std::string system;
  int wait_ms = GM_WAIT_FOREVER;
  bool json = false;
  Sampling sampling;
};
// The messages of a conversation that begins with `user`, as JSON; `system` may be empty.
std::string conversation(const std::string& system, const std::string& user);
int run_chat(const ChatCommand& command);

// What a stream gave until it ended or was interrupted.
struct Generated {
  std::string text;
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;
  std::vector<std::int32_t> top_tokens;
  std::vector<float> top_logprobs;
  gm_result result = GM_RESULT_INIT;
  bool interrupted = false;
};

// Runs one request to its end; writes text to stdout as it comes where `echo`. An interruption
// cancels the generation on the daemon and still collects what came. Throws Failure.
Generated generate(gm_lease* lease, const gm_request& request, bool echo);

// With --json.
nlohmann::ordered_json to_json(const Generated& generated, bool logprobs,
                               std::uint32_t top_logprobs);
// On one line; what is not UTF-8 is replaced.
std::string json_text(const nlohmann::ordered_json& value);

}  // namespace gpumodelctl

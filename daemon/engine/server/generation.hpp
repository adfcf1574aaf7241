// One generate request, from its params to its answer.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/batch/output.hpp"
#include "engine/batch/prompt_lookup.hpp"
#include "engine/batch/sequence.hpp"
#include "engine/sample/sampler.hpp"
#include "engine/server/reply.hpp"
#include "engine/server/resident_adapter.hpp"
#include "engine/server/resident_model.hpp"
#include "engine/text/detokenizer.hpp"
#include "engine/text/grammar/matcher.hpp"

namespace gpumodel::engine::server {

using Clock = std::chrono::steady_clock;

struct GenerationRequest {
  wire::EngineGenerateParams params;
  ReplyPtr reply;
  ModelUse model;
  std::optional<AdapterUse> adapter;
  Clock::time_point arrived;

  // Whether it runs on these weights, or with this adapter.
  bool uses(std::uint64_t id) const { return params.weights == id || params.adapter == id; }
  // deadline_ms from arrival; the end of time where there is none.
  Clock::time_point deadline() const;
};

// A request from its arrival until it runs: a worker prepares it while the step thread watches for
// its cancellation and its deadline. Whichever claims it first answers it, and nobody else.
class PendingGeneration {
 public:
  explicit PendingGeneration(GenerationRequest request) : request_(std::move(request)) {}

  const GenerationRequest& request() const { return request_; }
  // True for the first who asks. Any thread.
  bool claim() { return !is_claimed_.exchange(true); }
  bool is_claimed() const { return is_claimed_; }

 private:
  const GenerationRequest request_;
  std::atomic<bool> is_claimed_{false};
};
using PendingPtr = std::shared_ptr<PendingGeneration>;

// What a worker makes of a request, so that the step thread sees tokens only.
struct PreparedGeneration {
  std::vector<std::int32_t> prompt;
  sample::SamplingParams sampling;
  batch::OutputLimits limits;
  std::uint64_t prompt_tokens = 0;
  text::grammar::CompiledPtr grammar;  // null: any text
};

// Throws wire::Error: `bad_request` (an empty prompt, a token out of the vocabulary, what the
// template or the tokenizer refuses), `prompt_too_long` with its detail.
// `grammar` is the constraint of the params, compiled; null where they have none.
PreparedGeneration prepare(const GenerationRequest& request, text::grammar::CompiledPtr grammar);

// What json_schema, regex or grammar of the params ask for.
std::optional<text::grammar::Constraint> constraint_of(const wire::GenerationParams& params);

// As text::grammar::Compiler::get(), but throws wire::Error: `unsupported` or `bad_request`, which
// name the param and what in it is at fault.
text::grammar::CompiledPtr compile(text::grammar::Compiler& compiler,
                                   const text::grammar::Constraint& constraint);

// Answers a request of which nothing was run.
void answer_unstarted(const GenerationRequest& request, batch::Finish finish);

// A generation in the step thread. Borrowed by the scheduler through its sequence.
class Generation {
 public:
  Generation(GenerationRequest request, PreparedGeneration prepared, kv::PagePool& pool);

  batch::Sequence& sequence() { return sequence_; }
  bool uses(std::uint64_t id) const { return request_.uses(id); }
  // nullptr: the weights alone
  const model::AdapterWeights* adapter() const {
    return request_.adapter ? &(*request_.adapter)->weights() : nullptr;
  }
  const sample::SamplingParams& sampling() const { return sampling_; }
  const sample::TokenHistory& history() const { return history_; }
  std::uint64_t position() const { return output_.tokens(); }
  // The tokens that may come next, as the sampler takes them; absent where all may.
  std::optional<std::span<const std::uint32_t>> allowed() const;
  // The constraint leaves nothing to say.
  bool is_complete() const { return matcher_ && matcher_->is_over() && matcher_->may_end(); }
  bool stop_requested() const { return request_.reply->stop().stop_requested(); }
  bool is_late(Clock::time_point now) const { return now >= deadline_; }

  // Guesses what comes next, for the step that computes its last token.
  void draft();
  // How many tokens of the guess were right.
  void record_draft(std::size_t drafted, std::size_t accepted);

  // The first step of it runs now.
  void mark_scheduled(Clock::time_point now);
  // Takes what was sampled, appends chunks that are due to `messages`, and tells whether it ends.
  batch::Finish take(const sample::Sample& sample, Clock::time_point now, std::string& messages);
  // The one answer, behind `messages` and its last chunk: it sends them all, and clears them.
  void finish(batch::Finish finish, Clock::time_point now, std::string& messages);
  void fail(const wire::Error& error) { request_.reply->fail(error); }

 private:
  void emit(std::string& messages);
  wire::Usage usage(Clock::time_point now) const;

  GenerationRequest request_;
  sample::SamplingParams sampling_;
  std::uint64_t prompt_tokens_;
  batch::Sequence sequence_;
  batch::Output output_;
  text::Detokenizer detokenizer_;
  sample::TokenHistory history_;
  std::optional<text::grammar::Matcher> matcher_;
  batch::PromptLookup lookup_;
  Clock::time_point deadline_;
  Clock::time_point scheduled_;
  Clock::time_point first_token_;
  std::uint32_t next_chunk_ = 0;
  batch::OutputPiece collected_;  // without `stream`
};

}  // namespace gpumodel::engine::server

#include "engine/server/generation.hpp"

#include <algorithm>
#include <random>

#include "wire/limits.hpp"

namespace gpumodel::engine::server {
namespace {

using batch::Finish;
using batch::OutputPiece;
using wire::Code;
using wire::Error;

std::uint64_t microseconds_between(Clock::time_point from, Clock::time_point to) {
  if (to <= from) return 0;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(to - from).count());
}

std::uint64_t fresh_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32 | device()) >> 1;
}

void check_tokens(const std::vector<std::int32_t>& tokens, std::int32_t vocab_size) {
  if (tokens.empty())
    throw Error(Code::bad_request, "the prompt has no tokens; give at least one character");
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= vocab_size)
      throw Error(Code::bad_request,
                  "tokens[" + std::to_string(i) + "]: " + std::to_string(tokens[i]) +
                      " is not in the vocabulary of " + std::to_string(vocab_size));
}

std::uint64_t context_of(const GenerationRequest& request) {
  const std::uint64_t own = request.model->context_tokens();
  const std::uint64_t ceiling = request.params.context_tokens;
  return ceiling == 0 ? own : std::min(own, ceiling);
}

[[noreturn]] void throw_too_long(std::uint64_t prompt_tokens, std::uint64_t context_tokens) {
  Error error(Code::prompt_too_long,
              "the prompt has " + std::to_string(prompt_tokens) + " tokens, and the context of " +
                  std::to_string(context_tokens) + " must hold one more at least; shorten it");
  error.detail = wire::encode(wire::PromptTooLong{prompt_tokens, context_tokens});
  throw error;
}

// What a piece adds to a message, where it was asked for.
template <class Message>
void put_logprobs(const wire::GenerationParams& params, OutputPiece& piece, Message& message) {
  if (params.logprobs) message.logprobs = std::move(piece.logprobs);
  if (params.top_logprobs == 0) return;
  message.top_tokens.emplace();
  message.top_logprobs.emplace();
  for (const sample::TokenLogprob& likely : piece.top) {
    message.top_tokens->push_back(likely.token);
    message.top_logprobs->push_back(likely.logprob);
  }
}

void append(OutputPiece& to, OutputPiece&& piece) {
  to.text += piece.text;
  to.tokens.insert(to.tokens.end(), piece.tokens.begin(), piece.tokens.end());
  to.logprobs.insert(to.logprobs.end(), piece.logprobs.begin(), piece.logprobs.end());
  to.top.insert(to.top.end(), piece.top.begin(), piece.top.end());
}

void put_collected(const wire::GenerationParams& params, OutputPiece piece,
                   wire::GenerateResult& result) {
  put_logprobs(params, piece, result);
  result.text = std::move(piece.text);
  result.tokens = std::move(piece.tokens);
}

}  // namespace

Clock::time_point GenerationRequest::deadline() const {
  // A year is for ever, and cannot overflow.
  constexpr std::uint64_t kMostMs = 365ull * 24 * 3600 * 1000;
  const std::uint64_t ms = params.generation.deadline_ms;
  if (ms == 0) return Clock::time_point::max();
  return arrived + std::chrono::milliseconds(std::min(ms, kMostMs));
}

std::optional<text::grammar::Constraint> constraint_of(const wire::GenerationParams& params) {
  using text::grammar::ConstraintKind;
  if (params.json_schema) return {{ConstraintKind::json_schema, *params.json_schema}};
  if (params.regex) return {{ConstraintKind::regex, *params.regex}};
  if (params.grammar) return {{ConstraintKind::ebnf, *params.grammar}};
  return std::nullopt;
}

text::grammar::CompiledPtr compile(text::grammar::Compiler& compiler,
                                   const text::grammar::Constraint& constraint) {
  using text::grammar::ConstraintKind;
  using text::grammar::Refusal;
  try {
    return compiler.get(constraint);
  } catch (const Refusal& refusal) {
    const char* const param = constraint.kind == ConstraintKind::json_schema ? "json_schema: "
                              : constraint.kind == ConstraintKind::regex     ? "regex: "
                                                                             : "grammar: ";
    const bool is_unsupported = refusal.kind() == Refusal::Kind::unsupported;
    throw Error(is_unsupported ? Code::unsupported : Code::bad_request,
                std::string(param) + refusal.what());
  }
}

PreparedGeneration prepare(const GenerationRequest& request, text::grammar::CompiledPtr grammar) {
  const wire::GenerationParams& params = request.params.generation;
  const ResidentModel& model = *request.model;
  std::vector<std::int32_t> prompt = model.text().prompt(params);
  check_tokens(prompt, model.config().vocab_size);
  const std::uint64_t prompt_tokens = prompt.size();
  const std::uint64_t context_tokens = context_of(request);
  if (prompt_tokens >= context_tokens) throw_too_long(prompt_tokens, context_tokens);
  batch::OutputLimits limits;
  limits.stops = params.stop;
  if (!params.ignore_eos) limits.end_tokens = model.end_tokens();
  limits.max_tokens = context_tokens - prompt_tokens;
  if (params.max_tokens > 0)
    limits.max_tokens = std::min(limits.max_tokens, static_cast<std::uint64_t>(params.max_tokens));
  sample::SamplingParams sampling =
      sample::resolve(params, model.defaults(), model.config().vocab_size, fresh_seed());
  return {std::move(prompt), std::move(sampling), std::move(limits), prompt_tokens,
          std::move(grammar)};
}

void answer_unstarted(const GenerationRequest& request, Finish finish) {
  const wire::GenerationParams& params = request.params.generation;
  wire::GenerateResult result;
  result.finish = batch::finish_name(finish);
  result.usage.queue_us = microseconds_between(request.arrived, Clock::now());
  result.usage.total_us = result.usage.queue_us;
  result.usage.seed = params.seed.value_or(0);
  if (!params.stream) put_collected(params, {}, result);
  request.reply->succeed(result);
}

Generation::Generation(GenerationRequest request, PreparedGeneration prepared, kv::PagePool& pool)
    : request_(std::move(request)),
      sampling_(std::move(prepared.sampling)),
      prompt_tokens_(prepared.prompt_tokens),
      sequence_(pool, {request_.params.uid, request_.params.adapter.value_or(0)},
                request_.params.lease, std::move(prepared.prompt)),
      output_(std::move(prepared.limits)),
      detokenizer_(request_.model->text().tokenizer(), true),
      deadline_(request_.deadline()) {
  if (sampling_.needs_history()) history_.add_prompt(sequence_.tokens());
  if (prepared.grammar != nullptr) matcher_.emplace(std::move(prepared.grammar));
}

std::optional<std::span<const std::uint32_t>> Generation::allowed() const {
  if (!matcher_) return std::nullopt;
  return matcher_->allowed();
}

void Generation::draft() {
  // The step's own token is one of those that are left.
  const std::uint64_t left = output_.tokens_left();
  const bool may = request_.params.speculate && left > 1;
  const auto most =
      static_cast<std::size_t>(std::min<std::uint64_t>(left - 1, batch::DraftLength::kMost));
  sequence_.set_draft(may ? lookup_.draft(sequence_.tokens(), most)
                          : std::span<const std::int32_t>());
}

void Generation::record_draft(std::size_t drafted, std::size_t accepted) {
  if (drafted > 0) lookup_.length().record(drafted, accepted, sequence_.tokens().size());
}

void Generation::mark_scheduled(Clock::time_point now) {
  if (scheduled_ == Clock::time_point()) scheduled_ = now;
}

Finish Generation::take(const sample::Sample& sample, Clock::time_point now,
                        std::string& messages) {
  if (first_token_ == Clock::time_point()) first_token_ = now;
  if (output_.is_end(sample.token)) return Finish::stop;
  sequence_.append(sample.token);
  if (sampling_.needs_history()) history_.add_output(sample.token);
  const std::string text = detokenizer_.push(sample.token);
  Finish finish = output_.push(sample, text, text.empty());
  if (matcher_) matcher_->accept(sample.token);
  if (is_complete()) finish = Finish::stop;
  if (finish == Finish::none) emit(messages);
  return finish;
}

void Generation::emit(std::string& messages) {
  OutputPiece piece = output_.take();
  if (piece.empty()) return;
  const wire::GenerationParams& params = request_.params.generation;
  if (!params.stream) {
    append(collected_, std::move(piece));
    return;
  }
  wire::GenerateChunk chunk;
  chunk.request = request_.reply->id();
  chunk.seq = next_chunk_++;
  put_logprobs(params, piece, chunk);
  chunk.text = std::move(piece.text);
  chunk.tokens = std::move(piece.tokens);
  wire::append_notification(messages, "generate.chunk", chunk);
}

wire::Usage Generation::usage(Clock::time_point now) const {
  const auto scheduled = scheduled_ == Clock::time_point() ? now : scheduled_;
  wire::Usage usage;
  usage.prompt_tokens = prompt_tokens_;
  usage.cached_tokens = sequence_.cached_tokens();
  usage.output_tokens = output_.tokens();
  usage.queue_us = microseconds_between(request_.arrived, scheduled);
  if (first_token_ != Clock::time_point())
    usage.first_token_us = microseconds_between(request_.arrived, first_token_);
  usage.total_us = microseconds_between(request_.arrived, now);
  usage.seed = static_cast<std::int64_t>(sampling_.seed);
  return usage;
}

void Generation::finish(Finish finish, Clock::time_point now, std::string& messages) {
  output_.finish(detokenizer_.flush());
  emit(messages);
  request_.reply->channel().send(messages);
  messages.clear();
  const wire::GenerationParams& params = request_.params.generation;
  // Heads and keys of the answer itself are far fewer than these.
  constexpr std::size_t kSpareValues = 256;
  const std::size_t values = 2 * collected_.tokens.size() + 2 * collected_.top.size();
  if (values + kSpareValues > wire::FrameLimits().values) {
    fail(Error(
        Code::bad_request,
        "the answer with its log-probabilities is larger than one message may be; stream it"));
    return;
  }
  wire::GenerateResult result;
  result.finish = batch::finish_name(finish);
  result.usage = usage(now);
  if (!params.stream) put_collected(params, std::move(collected_), result);
  request_.reply->succeed(result);
}

}  // namespace gpumodel::engine::server

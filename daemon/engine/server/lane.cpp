#include "engine/server/lane.hpp"

#include "engine/model/needs.hpp"

namespace gpumodel::engine::server {

using batch::Finish;
using wire::Code;
using wire::Error;

Lane::Lane(std::shared_ptr<ResidentModel> model, device::Backend& backend)
    : model_(std::move(model)),
      backend_(backend),
      pages_(model_->kv_pages()),
      prefixes_(pages_),
      store_(model_->kv_store()),
      decoder_(model_->config(), model_->weights(), backend, store_, model_->workspace()),
      scheduler_(pages_, &prefixes_,
                 {.rows = static_cast<std::size_t>(model::kMaxStepRows),
                  .logit_rows = static_cast<std::size_t>(model::kMaxLogitRows)}),
      sampler_(model_->known_tokens(), model_->unknown_tokens()),
      row_(static_cast<std::size_t>(model_->config().vocab_size)) {
  drafted_.reserve(static_cast<std::size_t>(model::kMaxStepRows));
}

void Lane::add(const GenerationRequest& request, PreparedGeneration prepared) {
  auto generation = std::make_unique<Generation>(request, std::move(prepared), pages_);
  batch::Sequence& sequence = generation->sequence();
  generations_.emplace(&sequence, std::move(generation));
  scheduler_.add(sequence);
}

void Lane::end(batch::Sequence* sequence) {
  scheduler_.remove(*sequence);
  generations_.erase(sequence);
}

void Lane::end_stopped(Clock::time_point now) {
  for (auto it = generations_.begin(); it != generations_.end();) {
    const auto current = it++;
    Generation& generation = *current->second;
    const bool is_late = generation.is_late(now);
    if (!is_late && !generation.stop_requested()) continue;
    std::string messages;
    generation.finish(is_late ? Finish::deadline : Finish::cancelled, now, messages);
    end(current->first);
  }
}

void Lane::end_users_of(std::uint64_t id, Finish finish) {
  const auto now = Clock::now();
  for (auto it = generations_.begin(); it != generations_.end();) {
    const auto current = it++;
    if (!current->second->uses(id)) continue;
    std::string messages;
    current->second->finish(finish, now, messages);
    end(current->first);
  }
  prefixes_.forget_adapter(id);
}

void Lane::step(std::string& messages) {
  for (batch::Sequence* sequence : scheduler_.running()) generations_.at(sequence)->draft();
  const std::vector<batch::Work> step = scheduler_.schedule();
  if (step.empty()) return;
  try {
    run(step, messages);
  } catch (...) {
    // What of this step is in the pages is unknown, so its sequences cannot go on.
    const Error error = to_wire_error(std::current_exception());
    for (const batch::Work& work : step) {
      const auto found = generations_.find(work.sequence);
      if (found == generations_.end()) continue;
      found->second->fail(error);
      scheduler_.abandon(*work.sequence);
      generations_.erase(found);
    }
  }
}

model::SequenceStep Lane::part_of(const batch::Work& work, const Generation& generation) {
  const batch::Sequence& sequence = *work.sequence;
  const std::size_t first = sequence.computed_tokens();
  model::SequenceStep part{sequence.tokens().subspan(first, work.tokens),
                           static_cast<std::int32_t>(first), sequence.pages(), work.samples ? 1 : 0,
                           generation.adapter()};
  if (work.drafted == 0) return part;
  const std::size_t begin = drafted_.size();
  drafted_.insert(drafted_.end(), part.tokens.begin(), part.tokens.end());
  const auto draft = sequence.draft().first(work.drafted);
  drafted_.insert(drafted_.end(), draft.begin(), draft.end());
  part.tokens = std::span(drafted_).subspan(begin);
  part.logit_rows += static_cast<std::int32_t>(work.drafted);
  return part;
}

void Lane::run(const std::vector<batch::Work>& step, std::string& messages) {
  const auto begun = Clock::now();
  std::vector<model::SequenceStep> sequences;
  sequences.reserve(step.size());
  drafted_.clear();
  for (const batch::Work& work : step) {
    Generation& generation = *generations_.at(work.sequence);
    generation.mark_scheduled(begun);
    sequences.push_back(part_of(work, generation));
  }
  const float* logits = decoder_.step({sequences});
  scheduler_.commit();
  for (const batch::Work& work : step) {
    if (!work.samples) continue;
    sample(work, logits, messages);
    logits += (1 + work.drafted) * row_.size();
  }
}

void Lane::sample(const batch::Work& work, const float* rows, std::string& messages) {
  Generation& generation = *generations_.at(work.sequence);
  batch::Sequence& sequence = *work.sequence;
  std::size_t accepted = 0;
  while (sample(generation, rows + accepted * row_.size(), messages)) {
    const bool is_right =
        accepted < work.drafted && sequence.tokens().back() == sequence.draft()[accepted];
    if (!is_right) {
      generation.record_draft(work.drafted, accepted);
      return;
    }
    scheduler_.accept(sequence, 1);
    ++accepted;
  }
}

bool Lane::sample(Generation& generation, const float* row, std::string& messages) {
  backend_.copy_to_host(row_.data(), row, row_.size() * sizeof(float));
  batch::Sequence* sequence = &generation.sequence();
  if (generation.is_complete()) {  // its constraint is the empty text
    generation.finish(Finish::stop, Clock::now(), messages);
    end(sequence);
    return false;
  }
  const sample::Sample sample = sampler_.sample(row_, generation.sampling(), generation.history(),
                                                generation.position(), generation.allowed());
  if (sample.token < 0) {
    generation.fail(Error(Code::bad_request,
                          "no token may follow: logit_bias forbids all, the model's vocabulary "
                          "cannot write what json_schema, regex or grammar ask for, or its "
                          "logits are not finite"));
    end(sequence);
    return false;
  }
  const auto now = Clock::now();
  try {
    const Finish finish = generation.take(sample, now, messages);
    if (finish == Finish::none) return true;
    generation.finish(finish, now, messages);
  } catch (const text::grammar::Refusal& refusal) {
    generation.fail(Error(Code::bad_request, refusal.what()));
  }
  end(sequence);
  return false;
}

}  // namespace gpumodel::engine::server

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
      store_(model_->kv_store()),
      decoder_(model_->config(), model_->weights(), backend, store_, model_->workspace()),
      scheduler_(pages_, {.rows = static_cast<std::size_t>(model::kMaxStepRows),
                          .logit_rows = static_cast<std::size_t>(model::kMaxLogitRows)}),
      sampler_(model_->known_tokens(), model_->unknown_tokens()),
      row_(static_cast<std::size_t>(model_->config().vocab_size)) {}

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
    generation.finish(is_late ? Finish::deadline : Finish::cancelled, now);
    end(current->first);
  }
}

void Lane::end_users_of(std::uint64_t id, Finish finish) {
  const auto now = Clock::now();
  for (auto it = generations_.begin(); it != generations_.end();) {
    const auto current = it++;
    if (!current->second->uses(id)) continue;
    current->second->finish(finish, now);
    end(current->first);
  }
}

void Lane::step(std::string& messages) {
  const std::vector<batch::Work> step = scheduler_.schedule();
  if (step.empty()) return;
  try {
    run(step, messages);
  } catch (...) {
    // What of this step is in the pages is unknown, so its sequences cannot go on.
    const Error error = to_wire_error(std::current_exception());
    scheduler_.commit();
    for (const batch::Work& work : step) {
      const auto found = generations_.find(work.sequence);
      if (found == generations_.end()) continue;
      found->second->fail(error);
      end(work.sequence);
    }
  }
}

void Lane::run(const std::vector<batch::Work>& step, std::string& messages) {
  const auto begun = Clock::now();
  std::vector<model::SequenceStep> sequences;
  sequences.reserve(step.size());
  for (const batch::Work& work : step) {
    Generation& generation = *generations_.at(work.sequence);
    generation.mark_scheduled(begun);
    const std::size_t first = work.sequence->computed_tokens();
    sequences.push_back({work.sequence->tokens().subspan(first, work.tokens),
                         static_cast<std::int32_t>(first), work.sequence->pages(),
                         work.samples ? 1 : 0, generation.adapter()});
  }
  const float* logits = decoder_.step({sequences});
  scheduler_.commit();
  for (const batch::Work& work : step) {
    if (!work.samples) continue;
    sample(*generations_.at(work.sequence), logits, messages);
    logits += row_.size();
  }
}

void Lane::sample(Generation& generation, const float* row, std::string& messages) {
  backend_.copy_to_host(row_.data(), row, row_.size() * sizeof(float));
  batch::Sequence* sequence = &generation.sequence();
  if (generation.is_complete()) {  // its constraint is the empty text
    generation.finish(Finish::stop, Clock::now());
    end(sequence);
    return;
  }
  const sample::Sample sample = sampler_.sample(row_, generation.sampling(), generation.history(),
                                                generation.position(), generation.allowed());
  if (sample.token < 0) {
    generation.fail(Error(Code::bad_request,
                          "no token may follow: logit_bias forbids all, the model's vocabulary "
                          "cannot write what json_schema, regex or grammar ask for, or its "
                          "logits are not finite"));
    end(sequence);
    return;
  }
  const auto now = Clock::now();
  try {
    const Finish finish = generation.take(sample, now, messages);
    if (finish == Finish::none) return;
    generation.finish(finish, now);
  } catch (const text::grammar::Refusal& refusal) {
    generation.fail(Error(Code::bad_request, refusal.what()));
  }
  end(sequence);
}

}  // namespace gpumodel::engine::server

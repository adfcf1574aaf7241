// generate, from the request to where the step thread takes it over.
#include <memory>

#include "engine/server/engine_server.hpp"

namespace gpumodel::engine::server {

void EngineServer::generate(wire::EngineGenerateParams params, const ReplyPtr& reply) {
  const auto arrived = Clock::now();
  wire::check(params.generation);
  const ModelUse model = models_.use(params.weights);
  std::optional<AdapterUse> adapter;
  if (params.adapter) adapter.emplace(adapters_.use(*params.adapter));
  const auto pending = std::make_shared<PendingGeneration>(
      GenerationRequest{std::move(params), reply, model, adapter, arrived});
  steps_->watch(pending);
  workers_->submit(WorkerPool::Length::brief, [this, pending] {
    if (constraint_of(pending->request().params.generation)) return prepare_constrained(pending);
    prepare_prompt(pending, nullptr);
  });
}

void EngineServer::prepare_prompt(const PendingPtr& pending, text::grammar::CompiledPtr grammar) {
  if (pending->is_claimed()) return;
  try {
    steps_->submit(pending, prepare(pending->request(), std::move(grammar)));
  } catch (...) {
    if (pending->claim()) pending->request().reply->fail(to_wire_error(std::current_exception()));
  }
}

void EngineServer::prepare_constrained(const PendingPtr& pending) {
  auto constraint = *constraint_of(pending->request().params.generation);
  const auto compiler = pending->request().model->grammars();
  if (text::grammar::CompiledPtr known = compiler->find(constraint))
    return prepare_prompt(pending, std::move(known));
  // The job does not hold the request: where that is cancelled meanwhile, the model is free to go.
  compilers_->submit(
      WorkerPool::Length::lengthy, [this, compiler, constraint, waiting = std::weak_ptr(pending)] {
        if (waiting.expired()) return;
        text::grammar::CompiledPtr grammar;
        std::exception_ptr failure;
        try {
          grammar = compile(*compiler, constraint);
        } catch (...) {
          failure = std::current_exception();
        }
        const PendingPtr still = waiting.lock();
        if (still == nullptr) return;
        if (failure == nullptr) {
          workers_->submit(WorkerPool::Length::brief,
                           [this, still, grammar] { prepare_prompt(still, grammar); });
        } else if (still->claim()) {
          still->request().reply->fail(to_wire_error(failure));
        }
      });
}

}  // namespace gpumodel::engine::server

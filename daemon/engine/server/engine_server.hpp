// The engine's control thread: reads the broker's frames, hands work on, never does any.
#pragma once

#include <functional>
#include <memory>

#include "engine/device/backend.hpp"
#include "engine/memory/budget.hpp"
#include "engine/server/reply.hpp"
#include "engine/server/resident_adapter.hpp"
#include "engine/server/resident_model.hpp"
#include "engine/server/resident_registry.hpp"
#include "engine/server/step_loop.hpp"
#include "engine/server/worker_pool.hpp"

namespace gpumodel::engine::server {

// Answers ENGINE_PROTOCOL.md "Engine". Loads, prompts, unloads and measurements run on a worker
// pool, steps on the step thread. Lives on one thread.
class EngineServer {
 public:
  // Makes the backend for so many threads, at least 1.
  using BackendFactory = std::function<std::unique_ptr<device::Backend>(int threads)>;

  EngineServer(Channel& channel, BackendFactory make_backend);
  // Stops loads, waits for the threads.
  ~EngineServer();

  // Until the broker closes its end. Throws wire::FramingError and std::system_error.
  void serve();

 private:
  void on_frame(const wire::Frame& frame, os::Fd fd);
  void on_notification(const wire::Frame& frame);
  void on_request(const wire::Frame& frame, os::Fd fd, const ReplyPtr& reply);
  void start(const wire::StartParams& params, const ReplyPtr& reply);
  void load(wire::LoadParams params, os::Fd image, const ReplyPtr& reply);
  void load_adapter(const wire::LoadAdapterParams& params, const ReplyPtr& reply);
  void fill(wire::FillParams params, os::Fd image, const ReplyPtr& reply);
  void unload(const wire::UnloadParams& params, const ReplyPtr& reply);
  void generate(wire::EngineGenerateParams params, const ReplyPtr& reply);
  // On a worker: the constraint, then the prompt.
  void prepare_constrained(const PendingPtr& pending);
  void prepare_prompt(const PendingPtr& pending, text::grammar::CompiledPtr grammar);
  void measure(const ReplyPtr& reply);

  // How a load or fill of the weights or the adapter `id` runs, for which `reply` is owed.
  model::LoadOptions load_options(std::uint64_t id, const ReplyPtr& reply);
  void run_load(const LoadRequest& request, const ReplyPtr& reply);

  Channel& channel_;
  BackendFactory make_backend_;
  RequestTable requests_;
  // From `start` on.
  unsigned threads_ = 0;
  std::unique_ptr<memory::Budget> budget_;
  ResidentRegistry<ResidentModel> models_{"weights"};
  ResidentRegistry<ResidentAdapter> adapters_{"adapter weights"};
  TextCache texts_;
  std::unique_ptr<StepLoop> steps_;
  // Jobs of either use all of the above and each other.
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<WorkerPool> compilers_;  // of constraints, which take seconds at worst
};

}  // namespace gpumodel::engine::server

// The probe: what a model's folder says, without weights and without a device.
#pragma once

#include "engine/server/reply.hpp"
#include "engine/server/text_cache.hpp"
#include "engine/server/worker_pool.hpp"

namespace gpumodel::engine::server {

// Answers ENGINE_PROTOCOL.md "Probe". All work runs on a worker pool, so that one slow folder does
// not hold up another's. Lives on one thread.
class ProbeServer {
 public:
  explicit ProbeServer(Channel& channel);

  // Until the broker closes its end. Throws wire::FramingError and std::system_error.
  void serve();

 private:
  void on_frame(const wire::Frame& frame);
  void answer(const wire::Frame& frame, Reply& reply);

  Channel& channel_;
  RequestTable requests_;
  TextCache texts_;
  WorkerPool workers_;  // its jobs use all of the above
};

}  // namespace gpumodel::engine::server

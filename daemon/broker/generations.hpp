// generate: from a request through a usable lease to an engine, and its chunks and result back.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/generation_progress.hpp"
#include "broker/metrics.hpp"
#include "broker/reply.hpp"

namespace gpumodel::broker {

class Generations {
 public:
  Generations(asio::io_context& io, Conductor& conductor, const Catalog& catalog, Metrics& metrics);

  // `params` are checked here. Throws wire::Error for what is refused at once.
  void generate(core::RequestId request, std::uint32_t uid, wire::GenerateParams params,
                Reply reply);
  // Ends it with finish `cancelled`; false where there is no such generation.
  bool cancel(core::RequestId request);
  // Its client is gone: the engine stops, nobody is answered.
  void forget(core::RequestId request);
  // The lease is being released, or has ended.
  void cancel_all_of(core::LeaseId lease);
  void cancel_all();
  std::size_t count() const { return generations_.size(); }
  // Those of one model: on an engine, and still waiting for it.
  struct Standing {
    std::uint32_t running = 0;
    std::uint32_t waiting = 0;
  };
  std::unordered_map<core::ModelId, Standing> standing() const;

  // Those whose clients wait, in the order in which they came.
  struct Row {
    core::LeaseId lease;
    bool running = false;  // else its model is not there yet
    core::Time arrived{0};
    bool streamed = false;
    GenerationProgress progress;
  };
  std::vector<Row> rows() const;
  // Emitted on the lease so far, as far as the engine has told.
  std::uint64_t output_tokens(core::LeaseId lease) const;

  // ---- decisions; false where the request is not one of these
  void usable(const core::Usable& usable);
  bool refused(const core::Refused& refused, const wire::Error& error);

 private:
  struct Generation {
    Reply reply;
    std::uint32_t uid = 0;
    core::LeaseId lease;
    core::ModelId model;            // none: the lease does not exist
    wire::GenerationParams params;  // until the engine has them
    core::Time arrived{0};
    core::Time waited{0};  // until it was sent
    bool streamed = false;
    GenerationProgress progress{};
    bool answered = false;  // the engine still has to end it
    core::DeviceId device;
    std::size_t fingerprint = 0;  // of what the engine was asked
    std::optional<std::uint32_t> engine_request;
    std::unique_ptr<asio::steady_timer> deadline;  // while it waits for its model
  };

  void watch_deadline(core::RequestId request, Generation& generation);
  // Nothing has been sent to an engine: answers with an empty result.
  void finish_unstarted(core::RequestId request, const char* finish);
  void on_chunk(core::RequestId request, const msgpack::object& params);
  void on_answer(core::RequestId request, const EngineAnswer& answer);
  void stop_engine(const Generation& generation);
  void count(const Generation& generation, const EngineAnswer& answer);
  void count_finish(const Generation& generation, Finish finish);
  void count_failure(const Generation& generation, wire::Code code);
  // The answer to a generation that was running when its engine died: to be sent again, unless the
  // same one was there at another loss.
  wire::Error lost(const Generation& generation);
  // Removes it, and tells the core that the lease is free of it.
  void end(core::RequestId request);

  asio::io_context& io_;
  Conductor& conductor_;
  const Catalog& catalog_;
  Metrics& metrics_;
  std::unordered_map<core::RequestId, Generation> generations_;
  LeaseTokens lease_tokens_;
  std::deque<std::size_t> lost_;  // fingerprints of what ran at losses, oldest first
};

}  // namespace gpumodel::broker

// The fake engine's and probe's answers to ENGINE_PROTOCOL.md, with timers instead of work.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/server/channel.hpp"
#include "support/fake/fake_model.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::test {

// One thread; on_frame() for each frame, then tick() at latest after what it returned.
class FakeSession {
 public:
  using Clock = std::chrono::steady_clock;

  FakeSession(engine::server::Channel& channel, bool is_probe);

  void on_frame(const wire::Frame& frame);
  // Does what is due; how long until the next is, or Channel::kForever.
  std::chrono::milliseconds tick();

 private:
  struct Weights {
    FakeModel model;
    std::uint64_t kv_bytes = 0;
    bool ready = false;
    std::uint64_t bytes() const { return model.tensor_bytes + kv_bytes + model.workspace_bytes; }
  };
  struct Load {
    wire::LoadParams params;
    Clock::time_point begun;
    Clock::time_point reported;
  };
  struct Generation {
    wire::EngineGenerateParams params;
    FakeModel model;
    std::string prompt;
    std::uint64_t prompt_tokens = 0;
    std::uint64_t context_tokens = 0;
    Clock::time_point arrived;
    Clock::time_point next;
    std::uint32_t seq = 0;
    std::string text;
    std::vector<std::int32_t> tokens;
  };
  struct Timer {
    Clock::time_point due;
    std::function<void()> action;
  };

  void on_request(const wire::Frame& frame);
  void engine_request(const wire::Frame& frame);
  void probe_request(const wire::Frame& frame);
  void start(std::uint32_t id, const wire::StartParams& params);
  void load(std::uint32_t id, const wire::LoadParams& params);
  void unload(std::uint32_t id, const wire::UnloadParams& params);
  void generate(std::uint32_t id, wire::EngineGenerateParams params);
  void cancel(std::uint32_t id);
  void measure(std::uint32_t id);

  bool advance_load(std::uint32_t id, Load& load, Clock::time_point now);
  bool advance_generation(std::uint32_t id, Generation& generation, Clock::time_point now);
  void send_chunk(std::uint32_t id, Generation& generation, const std::string& text,
                  std::int32_t token);
  void finish(std::uint32_t id, const Generation& generation, const std::string& how);

  void later(std::chrono::milliseconds delay, std::function<void()> action);
  std::uint64_t resident_bytes() const;
  template <class Result>
  void answer(std::uint32_t id, const Result& result);

  engine::server::Channel& channel_;
  bool is_probe_;
  std::optional<wire::StartParams> started_;
  std::uint64_t leaked_bytes_ = 0;
  std::map<std::uint64_t, Weights> weights_;
  std::map<std::uint32_t, Load> loads_;
  std::map<std::uint32_t, Generation> generations_;
  std::vector<Timer> timers_;
};

}  // namespace gpumodel::test

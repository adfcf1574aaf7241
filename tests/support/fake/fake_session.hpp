// The fake engine's answers to ENGINE_PROTOCOL.md, with timers instead of work; with `is_probe` the
// fake probe's.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "support/fake/fake_generations.hpp"
#include "support/fake/fake_image.hpp"
#include "support/fake/fake_model.hpp"
#include "support/fake/fake_outlet.hpp"
#include "support/fake/fake_probe.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::test {

// One thread; on_frame() for each frame, then tick() at latest after what it returned.
class FakeSession {
 public:
  FakeSession(engine::server::Channel& channel, bool is_probe);

  void on_frame(const wire::Frame& frame, os::Fd fd);
  // Does what is due; how long until the next is, or Channel::kForever.
  std::chrono::milliseconds tick();

 private:
  struct Weights {
    FakeModel model;
    std::uint64_t kv_bytes = 0;
    bool ready = false;
    std::uint64_t bytes() const { return model.tensor_bytes + kv_bytes + model.workspace_bytes; }
  };
  // A load or a fill under way.
  struct Reading {
    FakeModel model;
    std::uint64_t weights = 0;
    std::chrono::milliseconds takes{0};
    std::optional<FakeImage> image;
    bool fills_image = false;
    bool is_load = true;
    Clock::time_point begun;
    Clock::time_point reported;
  };

  void on_request(const wire::Frame& frame, os::Fd fd);
  void start(std::uint32_t id, const wire::StartParams& params);
  void load(std::uint32_t id, const wire::LoadParams& params, os::Fd fd);
  void load_adapter(std::uint32_t id, const wire::LoadAdapterParams& params);
  // Throws wire::Error{nomem}.
  void check_room(const Weights& weights) const;
  void begin_load(std::uint32_t id, Reading reading, const Weights& weights);
  void fill(std::uint32_t id, const wire::FillParams& params, os::Fd fd);
  void unload(std::uint32_t id, const wire::UnloadParams& params);
  void generate(std::uint32_t id, wire::EngineGenerateParams params);
  void cancel(std::uint32_t id);
  void measure(std::uint32_t id);

  // True when it is over.
  bool advance(std::uint32_t id, Reading& reading, Clock::time_point now);
  void end_reading(std::uint32_t id, const Reading& reading);
  const Weights& ready_weights(std::uint64_t id) const;
  std::uint64_t resident_bytes() const;

  bool is_probe_;
  Outlet outlet_;
  FakeProbe probe_;
  FakeGenerations generations_;
  std::optional<wire::StartParams> started_;
  std::uint64_t leaked_bytes_ = 0;
  std::map<std::uint64_t, Weights> weights_;
  std::map<std::uint32_t, Reading> readings_;
};

}  // namespace gpumodel::test

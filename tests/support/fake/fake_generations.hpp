// The fake engine's generations: a word at a time, by the clock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/fake/fake_model.hpp"
#include "support/fake/fake_outlet.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::test {

class FakeGenerations {
 public:
  explicit FakeGenerations(Outlet& outlet) : outlet_(outlet) {}

  // Throws wire::Error where it cannot be served. The prompt "crash" ends the process, "freeze"
  // makes it stand still.
  // `voice` comes before each word.
  void begin(std::uint32_t id, const FakeModel& model, const std::string& voice,
             wire::EngineGenerateParams params);
  // Whether there is such a generation; "hang" and "stall" stay open.
  bool cancel(std::uint32_t id);
  // Those that use these weights, or this adapter.
  void cancel_all(std::uint64_t weights);
  void advance(Clock::time_point now);
  bool empty() const { return generations_.empty(); }
  // As of an engine whose steps go on, unless the prompt of one is "stall".
  wire::PulseResult pulse();

 private:
  struct Generation {
    wire::EngineGenerateParams params;
    FakeModel model;
    std::string voice;
    std::string prompt;
    std::uint64_t prompt_tokens = 0;
    std::uint64_t context_tokens = 0;
    Clock::time_point arrived;
    Clock::time_point next;
    std::uint32_t seq = 0;
    std::string text;
    std::vector<std::int32_t> tokens;
  };

  // True when it is over.
  bool advance(std::uint32_t id, Generation& generation, Clock::time_point now);
  void send_chunk(std::uint32_t id, Generation& generation, const std::string& text,
                  std::int32_t token);
  void finish(std::uint32_t id, const Generation& generation, const std::string& how);

  Outlet& outlet_;
  std::map<std::uint32_t, Generation> generations_;
  std::uint64_t steps_ = 0;
};

}  // namespace gpumodel::test

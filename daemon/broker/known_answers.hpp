// Whether weights still answer as they did before their engine died: a short generation is recorded
// once, when nobody is served, and compared after a loss, before anybody is (DESIGN.md section 8).
// All of it in the loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/engine.hpp"
#include "broker/loop.hpp"

namespace gpumodel::broker {

class KnownAnswers {
 public:
  // What is wrong with an answer, in words; nothing where it is right.
  using OnChecked = std::function<void(const std::optional<std::string>& wrong)>;
  using FindEngine = std::function<Engine&(core::DeviceId)>;

  // An engine that answers a check later than this is wrong.
  static constexpr std::chrono::seconds kCheckWithin{60};
  // How long an engine is idle before it is asked for a recording: a program's next request comes
  // sooner, and must not wait for ours.
  static constexpr std::chrono::milliseconds kIdleBefore{250};

  KnownAnswers(asio::io_context& io, const Log& log, FindEngine engine)
      : io_(io), log_(log), engine_(std::move(engine)) {}

  // ---- what happens to residents, told from the loop
  void loaded(core::DeviceId device, core::ResidentId resident, core::WeightsId weights);
  void unloading(core::DeviceId device, core::ResidentId resident);
  void lost(core::DeviceId device);
  void busy(core::DeviceId device);
  void idle(core::DeviceId device);

  // These weights were lost with an engine of this device, and have not been checked on it since.
  bool must_check(core::DeviceId device, core::WeightsId weights) const;
  // `on_checked` is called from the loop, and not at all where the engine is lost first.
  void check(core::DeviceId device, core::ResidentId resident, core::WeightsId weights,
             OnChecked on_checked);

 private:
  struct Device {
    std::unordered_map<core::ResidentId, core::WeightsId> ready;
    std::optional<std::uint32_t> recording;     // its request at the engine
    std::unique_ptr<asio::steady_timer> quiet;  // until it has been idle for long enough
    std::set<core::WeightsId> to_check;
  };

  Device& device(core::DeviceId id);
  void record_soon(core::DeviceId id);
  void record(core::DeviceId id);
  void on_recorded(core::DeviceId id, core::WeightsId weights, const EngineAnswer& answer);

  asio::io_context& io_;
  const Log& log_;
  FindEngine engine_;
  std::unordered_map<core::DeviceId, Device> devices_;
  // By weights: the tokens before the first that was nearly another one.
  std::unordered_map<core::WeightsId, std::vector<std::int32_t>> answers_;
  Alive alive_;
};

// The tokens of a greedy generation with its two likeliest at each step, up to the first whose
// margin is below half a nat: another order of additions may turn that one. Throws wire::Error
// where the result has no such shape.
std::vector<std::int32_t> decisive_tokens(const wire::GenerateResult& result);

}  // namespace gpumodel::broker

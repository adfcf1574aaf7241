// Between the decisions and the world: gives the core its events, and carries out its effects.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>

#include "broker/catalog.hpp"
#include "broker/engine.hpp"
#include "broker/loop.hpp"
#include "core/core.hpp"

namespace gpumodel::broker {

// What the core's answers to clients become.
class Answers {
 public:
  virtual void granted(const core::Granted& granted) = 0;
  virtual void released(const core::Released& released) = 0;
  virtual void usable(const core::Usable& usable) = 0;
  virtual void refused(const core::Refused& refused) = 0;
  virtual void progress(const core::Progress& progress) = 0;
  virtual void lease_ended(const core::LeaseEnded& ended) = 0;

 protected:
  ~Answers() = default;
};

class Conductor final : private EngineEvents {
 public:
  Conductor(asio::io_context& io, const DaemonClock& clock, const Log& log,
            const core::CoreConfig& config, Catalog& catalog, std::string engine_program);

  void answer_to(Answers& answers) { answers_ = &answers; }
  void add_device(const DeviceConfig& device);
  // Devices of these names that there are, in this order.
  std::vector<core::DeviceId> devices_named(const std::vector<std::string>& names) const;

  // One event for the core: `event(core, now)` returns effects, which are carried out before this
  // returns; or, where it is called from within an effect, right after that one's followers.
  template <class Event>
  void decide(Event event) {
    carry_out(event(core_, clock_.now()));
  }
  const core::Core& core() const { return core_; }
  core::Time now() const { return clock_.now(); }
  // Whether these weights are on a device, or on their way up.
  bool is_resident(core::WeightsId weights) const;

  Engine& engine(core::DeviceId device) { return *engines_.at(device.value - 1); }
  const std::vector<std::unique_ptr<Engine>>& engines() const { return engines_; }
  // Every engine exits; for the end of the daemon.
  void stop_engines();
  bool engines_run() const;

 private:
  void carry_out(core::Effects effects);
  void carry_out_one(const core::Effect& effect);
  void load(const core::Load& load);
  void wake_at(std::optional<core::Time> at);

  void engine_ready(core::DeviceId device) override;
  void engine_lost(core::DeviceId device, std::optional<std::chrono::milliseconds> retry_after,
                   const std::string& reason) override;
  void engine_stopped(core::DeviceId device) override;
  void load_progress(core::ResidentId resident, float fraction) override;
  void load_done(core::ResidentId resident, const wire::LoadResult& result) override;
  void load_failed(core::ResidentId resident, const wire::Error& error) override;
  void unload_done(core::ResidentId resident, const wire::UnloadResult& result) override;

  struct Resident {
    core::DeviceId device;
    core::WeightsId weights;
    core::ModelId model;
  };

  asio::io_context& io_;
  const DaemonClock& clock_;
  const Log& log_;
  Catalog& catalog_;
  std::string engine_program_;
  core::Core core_;
  Answers* answers_ = nullptr;
  std::vector<std::unique_ptr<Engine>> engines_;              // DeviceId n is the n-th
  std::unordered_map<core::ResidentId, Resident> residents_;  // from Load to Unload or a loss
  std::deque<core::Effect> to_do_;
  bool carrying_out_ = false;
  asio::steady_timer wake_;
};

}  // namespace gpumodel::broker

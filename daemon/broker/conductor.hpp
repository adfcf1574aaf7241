// Between the decisions and the world: gives the core its events, and carries out its effects.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "broker/catalog.hpp"
#include "broker/engine.hpp"
#include "broker/loads.hpp"
#include "broker/loop.hpp"
#include "broker/pressure.hpp"
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
  virtual void prefetched(const core::Prefetched& prefetched) = 0;
  virtual void yielded(const core::Yielded& yielded) = 0;
  virtual void lease_ended(const core::LeaseEnded& ended) = 0;
  virtual void suspended(core::LeaseId lease) = 0;
  virtual void resumed(core::LeaseId lease) = 0;
  virtual void happened(const core::Happened& happened) = 0;

 protected:
  ~Answers() = default;
};

class Conductor final : private EngineEvents, private Loads::Outcomes {
 public:
  // Reads a device's foreign memory; memory_read() of the core is called in the end.
  using ReadMemory = std::function<void(core::DeviceId)>;

  Conductor(asio::io_context& io, const DaemonClock& clock, const Log& log,
            const core::CoreConfig& config, Catalog& catalog, std::string engine_program);

  void answer_to(Answers& answers) { answers_ = &answers; }
  void read_memory_with(ReadMemory read) { read_memory_ = std::move(read); }
  // `threads` of its engine, 0: all cores. An engine that hangs for longer than `hang_timeout` is
  // killed.
  void add_device(const DeviceConfig& device, std::uint32_t threads,
                  std::chrono::milliseconds hang_timeout);
  // Devices of these names that there are, in this order.
  std::vector<core::DeviceId> devices_named(const std::vector<std::string>& names) const;
  // Throws Error{device} where one of the models has no device that there is.
  void require_devices(const std::vector<core::ModelId>& models) const;

  // One event for the core: `event(core, now)` returns effects, which are carried out before this
  // returns; or, where it is called from within an effect, right after that one's followers.
  template <class Event>
  void decide(Event event) {
    carry_out(event(core_, clock_.now()));
  }
  const core::Core& core() const { return core_; }
  core::Time now() const { return clock_.now(); }
  // Whether these weights are on a device, or on their way up.
  bool is_resident(core::WeightsId weights) const { return loads_.is_resident(weights); }
  std::uint64_t unmapped_image_bytes() const { return loads_.unmapped_image_bytes(); }

  Engine& engine(core::DeviceId device) override { return *engines_.at(device.value - 1); }
  const std::vector<std::unique_ptr<Engine>>& engines() const { return engines_; }
  // Every engine exits; for the end of the daemon.
  void stop_engines();
  bool engines_run() const;

 private:
  void carry_out(core::Effects effects);
  void carry_out_one(const core::Effect& effect);
  void wake_at(std::optional<core::Time> at);

  // ---- EngineEvents (conductor_events.cpp)
  void engine_ready(core::DeviceId device) override;
  void engine_lost(core::DeviceId device, std::optional<std::chrono::milliseconds> retry_after,
                   const std::string& reason) override;
  void engine_stopped(core::DeviceId device) override;
  void engine_busy(core::DeviceId device) override { loads_.known_answers().busy(device); }
  void engine_idle(core::DeviceId device) override { loads_.known_answers().idle(device); }
  void load_progress(core::ResidentId resident, float fraction) override;
  void load_done(core::ResidentId resident, const wire::LoadResult& result) override;
  void load_failed(core::ResidentId resident, const wire::Error& error) override;
  void unload_done(core::ResidentId resident, const wire::UnloadResult& result) override;
  void fill_done(core::WeightsId weights, const wire::FillResult& result) override;
  void fill_failed(core::WeightsId weights, const wire::Error& error) override;

  // ---- Loads::Outcomes
  void loaded(core::ResidentId resident, const core::Need& measured, bool image_complete) override;
  void not_loaded(core::ResidentId resident, const wire::Error& error) override;
  void filled(core::WeightsId weights) override;
  void not_filled(core::WeightsId weights, const std::string& reason) override;
  void image_lost(core::WeightsId weights) override;

  asio::io_context& io_;
  const DaemonClock& clock_;
  const Log& log_;
  const Catalog& catalog_;
  std::string engine_program_;
  core::Core core_;
  std::uint64_t host_cache_bytes_;
  Loads loads_;
  OutOfMemoryKills kills_;
  Answers* answers_ = nullptr;
  ReadMemory read_memory_;
  std::vector<std::unique_ptr<Engine>> engines_;  // DeviceId n is the n-th
  std::deque<core::Effect> to_do_;
  bool carrying_out_ = false;
  asio::steady_timer wake_;
};

}  // namespace gpumodel::broker

// The engine of one device: started when it is needed, watched, and counted when it is lost.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "broker/backoff.hpp"
#include "broker/engine_heart.hpp"
#include "broker/engine_link.hpp"
#include "broker/log.hpp"
#include "core/types.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::broker {

// What happens on engines, in the core's terms. Called from the loop only.
class EngineEvents {
 public:
  virtual void engine_ready(core::DeviceId device) = 0;
  // `retry_after`: nothing where the device has failed for good.
  virtual void engine_lost(core::DeviceId device,
                           std::optional<std::chrono::milliseconds> retry_after,
                           const std::string& reason) = 0;
  virtual void engine_stopped(core::DeviceId device) = 0;
  virtual void load_progress(core::ResidentId resident, float fraction) = 0;
  virtual void load_done(core::ResidentId resident, const wire::LoadResult& result) = 0;
  virtual void load_failed(core::ResidentId resident, const wire::Error& error) = 0;
  virtual void unload_done(core::ResidentId resident, const wire::UnloadResult& result) = 0;
  virtual void fill_done(core::WeightsId weights, const wire::FillResult& result) = 0;
  virtual void fill_failed(core::WeightsId weights, const wire::Error& error) = 0;
  // The first of a user's generations is about to be sent to the engine; the last has ended.
  virtual void engine_busy(core::DeviceId device) = 0;
  virtual void engine_idle(core::DeviceId device) = 0;

 protected:
  ~EngineEvents() = default;
};

class Engine final : private EngineLink::Handler {
 public:
  // Fills have ids of weights of their own, far from the residents'.
  static constexpr std::uint64_t kFirstFillId = 1ull << 48;

  struct Device {
    core::DeviceId id;
    std::string name;
    std::string kind;
    std::uint64_t capacity_bytes = 0;
    std::uint32_t threads = 0;  // 0: all cores
    std::chrono::milliseconds hang_timeout{120'000};
  };

  Engine(asio::io_context& io, const DaemonClock& clock, const Log& log, std::string program,
         Device device, EngineEvents& events);

  const Device& device() const { return device_; }
  // For `status`: the process where one runs, and its memory as it last said.
  std::optional<pid_t> pid() const;
  std::optional<std::uint64_t> resident_bytes() const { return resident_bytes_; }

  void start();
  // Nothing is resident: lets it exit. engine_stopped follows.
  void stop();
  // `image`: the memfd, where the params name one.
  void load(const wire::LoadParams& params, os::Fd image);
  void load_adapter(const wire::LoadAdapterParams& params);
  void cancel_load(core::ResidentId resident);
  void unload(core::ResidentId resident);
  // Reads an image without making anything resident. `params.weights` is given here.
  void fill(core::WeightsId weights, wire::FillParams params, os::Fd image);
  void cancel_fill(core::WeightsId weights);
  // Refreshes resident_bytes().
  void measure();
  // It cannot be trusted any more: ends it, and counts it as lost.
  void kill(const std::string& reason);

  // A user's generation; the answer and the chunks come from the loop. Returns the id for cancel().
  // Nothing where no engine runs: then the loss has been, or is about to be, told.
  std::optional<std::uint32_t> generate(const wire::EngineGenerateParams& params,
                                        EngineLink::OnAnswer on_answer,
                                        EngineLink::OnChunk on_chunk);
  // The daemon's own: users' come before it, and it does not make the engine busy.
  std::optional<std::uint32_t> generate_aside(const wire::EngineGenerateParams& params,
                                              EngineLink::OnAnswer on_answer);
  void cancel(std::uint32_t request);
  bool is_busy() const { return users_running_ != 0; }

 private:
  void on_engine_notification(const std::string& method, const msgpack::object& params) override;
  void on_engine_end(const std::string& how) override;
  void on_started(const EngineAnswer& answer);
  // Listens to its heart, again and again.
  void watch_heart();
  void on_load_answer(core::ResidentId resident, const EngineAnswer& answer);
  void lost(const std::string& reason);

  asio::io_context& io_;
  const DaemonClock& clock_;
  const Log& log_;
  std::string program_;
  Device device_;
  EngineEvents& events_;
  std::unique_ptr<EngineLink> link_;
  asio::steady_timer start_limit_;
  std::optional<EngineHeart> heart_;  // of one that runs
  asio::steady_timer heart_timer_;
  Backoff backoff_{/*gives_up=*/true};
  bool is_ready_ = false;
  bool stopping_ = false;
  std::optional<std::uint64_t> resident_bytes_;
  std::unordered_map<core::ResidentId, std::uint32_t> loads_;  // their requests, for cancel
  std::unordered_map<core::WeightsId, std::uint32_t> fills_;
  std::uint64_t last_fill_ = kFirstFillId;
  std::uint32_t users_running_ = 0;
  Alive alive_;
};

}  // namespace gpumodel::broker

#include "broker/lifecycle.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "broker/log_messages.hpp"
#include "broker/notify.hpp"

namespace gpumodel::broker {
namespace {

using std::chrono::milliseconds;
// While the daemon stops, how often it looks whether what it waits for has come.
constexpr milliseconds kCheckEvery{10};
// For generations to end after they were cancelled, for clients to read of it and to release what
// they held, and for the memory of that to be measured free, which is what a release is answered
// with.
constexpr milliseconds kCancelLimit{5'000};
constexpr milliseconds kReleaseLimit{1'000};
constexpr milliseconds kCloseLimit{5'000};
constexpr milliseconds kEngineLimit{15'000};

}  // namespace

Lifecycle::Lifecycle(asio::io_context& io, const Log& log, const Config& config,
                     Conductor& conductor, Probe& probe, Inspector& inspector, Sessions& sessions,
                     Service& service, Generations& generations, Listener& listener, Reload& reload,
                     Supervision& supervision)
    : io_(io),
      log_(log),
      config_(config),
      conductor_(conductor),
      probe_(probe),
      inspector_(inspector),
      sessions_(sessions),
      service_(service),
      generations_(generations),
      listener_(listener),
      reload_(reload),
      supervision_(supervision),
      signals_(io, SIGTERM, SIGINT, SIGHUP),
      check_(io) {}

void Lifecycle::start() {
  wait_for_signal();
  probe_.on_restart([this] {
    if (!has_devices_) ask_devices();
  });
  ask_devices();
}

void Lifecycle::ask_devices() {
  probe_.request("devices", wire::Empty{},
                 [this](const EngineAnswer& answer) { on_devices(answer); });
}

void Lifecycle::on_devices(const EngineAnswer& answer) {
  if (answer.error) {
    log_.error(messages::kDevicesUnknown, {{"REASON", answer.error->message}});
  } else {
    add_devices(wire::decode<wire::DevicesResult>(*answer.result));
  }
  if (stage_ == Stage::starting) serve();
  if (has_devices_) inspector_.inspect_all();
}

void Lifecycle::add_devices(const wire::DevicesResult& found) {
  has_devices_ = true;
  // Engines of several CPU devices share the cores.
  const auto threads = config_.devices.size() > 1
                           ? std::max(1u, std::thread::hardware_concurrency() /
                                              static_cast<unsigned>(config_.devices.size()))
                           : 0u;
  for (const DeviceConfig& device : config_.devices) {
    const bool is_there =
        std::any_of(found.devices.begin(), found.devices.end(),
                    [&](const wire::ProbedDevice& probed) { return probed.kind == device.kind; });
    if (is_there) {
      conductor_.add_device(device, threads, config_.daemon.hang_timeout);
    } else {
      log_.error(messages::kDeviceMissing, {{"DEVICE", device.name}});
    }
  }
}

void Lifecycle::serve() {
  stage_ = Stage::serving;
  listener_.start();
  log_.info(messages::kServing, {{"MODELS", std::to_string(config_.models.size())},
                                 {"DEVICES", std::to_string(config_.devices.size())}});
  notify::ready("serving");
  supervision_.start();
}

void Lifecycle::wait_for_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    wait_for_signal();
    on_signal(signal);
  });
}

void Lifecycle::on_signal(int signal) {
  if (signal == SIGHUP) {
    if (stage_ == Stage::serving) reload_.begin();
    return;
  }
  if (stage_ >= Stage::draining) {
    log_.warning(messages::kSecondSignal);
    io_.stop();
    return;
  }
  drain();
}

void Lifecycle::drain() {
  log_.info(messages::kStopping, {{"GENERATIONS", std::to_string(generations_.count())}});
  supervision_.stop();
  notify::stopping("draining");
  service_.drain_for_good();
  enter(Stage::draining, config_.daemon.drain_timeout);
}

void Lifecycle::enter(Stage stage, milliseconds limit) {
  stage_ = stage;
  stage_ends_ = std::chrono::steady_clock::now() + limit;
  check_drained();
}

bool Lifecycle::stage_is_done() const {
  switch (stage_) {
    case Stage::draining:
    case Stage::cancelling:
      return generations_.count() == 0;
    case Stage::releasing:
      return !sessions_.has_output() && conductor_.core().snapshot(conductor_.now()).leases.empty();
    case Stage::closing:
      return !service_.owes_releases() && !sessions_.has_output();
    case Stage::stopping_engines:
      return !conductor_.engines_run();
    case Stage::starting:
    case Stage::serving:
      break;
  }
  return false;
}

void Lifecycle::check_drained() {
  if (!stage_is_done() && std::chrono::steady_clock::now() < stage_ends_) {
    check_.expires_after(kCheckEvery);
    check_.async_wait([this](const boost::system::error_code& error) {
      if (!error) check_drained();
    });
    return;
  }
  switch (stage_) {
    case Stage::draining:
      generations_.cancel_all();
      return enter(Stage::cancelling, kCancelLimit);
    case Stage::cancelling:
      return enter(Stage::releasing, kReleaseLimit);
    case Stage::releasing:
      return enter(Stage::closing, kCloseLimit);
    case Stage::closing:
      sessions_.end_all("the daemon stops");
      conductor_.stop_engines();
      return enter(Stage::stopping_engines, kEngineLimit);
    case Stage::stopping_engines:
      log_.info(messages::kStopped);
      return io_.stop();
    case Stage::starting:
    case Stage::serving:
      break;
  }
}

}  // namespace gpumodel::broker

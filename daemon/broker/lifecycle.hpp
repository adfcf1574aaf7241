// The daemon's own life: from the first answer of the probe to READY, and from a signal to its end.
#pragma once

#include <boost/asio/signal_set.hpp>

#include "broker/inspector.hpp"
#include "broker/listener.hpp"
#include "broker/reload.hpp"
#include "broker/service.hpp"
#include "broker/supervision.hpp"

namespace gpumodel::broker {

class Lifecycle {
 public:
  Lifecycle(asio::io_context& io, const Log& log, const Config& config, Conductor& conductor,
            Probe& probe, Inspector& inspector, Sessions& sessions, Service& service,
            Generations& generations, Listener& listener, Reload& reload, Supervision& supervision);

  // Asks which devices there are; then clients are served and models inspected. Without a probe
  // clients are served too, degraded, and the devices come when it does.
  void start();

 private:
  enum class Stage {
    starting,
    serving,
    draining,
    cancelling,
    releasing,
    closing,
    stopping_engines
  };

  void ask_devices();
  void on_devices(const EngineAnswer& answer);
  void add_devices(const wire::DevicesResult& found);
  void serve();
  void wait_for_signal();
  void on_signal(int signal);
  void drain();
  // Goes on to the next stage as soon as the present one has nothing left to wait for, or has had
  // its time.
  void check_drained();
  void enter(Stage stage, std::chrono::milliseconds limit);
  bool stage_is_done() const;

  asio::io_context& io_;
  const Log& log_;
  const Config& config_;
  Conductor& conductor_;
  Probe& probe_;
  Inspector& inspector_;
  Sessions& sessions_;
  Service& service_;
  Generations& generations_;
  Listener& listener_;
  Reload& reload_;
  Supervision& supervision_;
  boost::asio::signal_set signals_;
  asio::steady_timer check_;
  SteadyTime stage_ends_{};
  Stage stage_ = Stage::starting;
  bool has_devices_ = false;
};

}  // namespace gpumodel::broker

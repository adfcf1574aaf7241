// The probe: answers from model headers and tokenizers, in a process that may hang without harm.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "broker/backoff.hpp"
#include "broker/engine_link.hpp"
#include "broker/log.hpp"

namespace gpumodel::broker {

class Probe final : private EngineLink::Handler {
 public:
  // `answer_limit`: a probe that owes an answer for longer is killed. Then, and whenever it is
  // lost, what it owes is answered with `engine_lost`, and a new one is started after a back-off.
  Probe(asio::io_context& io, const DaemonClock& clock, const Log& log, std::string program,
        std::chrono::milliseconds answer_limit);

  // Answered from the loop, never from within the call; while no probe runs, with `engine_lost`.
  template <class Params>
  void request(std::string_view method, const Params& params, EngineLink::OnAnswer on_answer) {
    if (!ensure_running()) return refuse(std::move(on_answer));
    const std::uint64_t number = ++last_;
    sent_.emplace(number, std::chrono::steady_clock::now());
    link_->request(method, params,
                   [this, number, on_answer = std::move(on_answer)](const EngineAnswer& answer) {
                     sent_.erase(number);
                     watch_oldest();
                     on_answer(answer);
                   });
    if (sent_.size() == 1) watch_oldest();
  }

  // Called when a probe runs again after a loss.
  void on_restart(std::function<void()> handler) { on_restart_ = std::move(handler); }
  // Starts it, or leaves it as it is. False while it waits out a back-off.
  bool ensure_running();

 private:
  void on_engine_notification(const std::string&, const msgpack::object&) override {}
  void on_engine_end(const std::string& how) override;
  void lost(const std::string& reason);
  void refuse(EngineLink::OnAnswer on_answer);
  void watch_oldest();

  asio::io_context& io_;
  const DaemonClock& clock_;
  const Log& log_;
  std::string program_;
  std::chrono::milliseconds answer_limit_;
  std::unique_ptr<EngineLink> link_;
  asio::steady_timer answer_timer_;
  asio::steady_timer restart_timer_;
  Backoff backoff_{/*gives_up=*/false};
  bool waiting_ = false;  // for the back-off
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, SteadyTime> sent_;  // what is owed, in the order it was sent
  std::function<void()> on_restart_;
  Alive alive_;
};

}  // namespace gpumodel::broker

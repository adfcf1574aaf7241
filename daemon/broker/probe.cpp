#include "broker/probe.hpp"

#include <fmt/format.h>

#include <system_error>

#include "broker/log_messages.hpp"

namespace gpumodel::broker {

Probe::Probe(asio::io_context& io, const DaemonClock& clock, const Log& log, std::string program,
             std::chrono::milliseconds answer_limit)
    : io_(io),
      clock_(clock),
      log_(log),
      program_(std::move(program)),
      answer_limit_(answer_limit),
      answer_timer_(io),
      restart_timer_(io) {}

bool Probe::ensure_running() {
  if (link_) return !link_->is_over();
  if (waiting_) return false;
  try {
    link_ = std::make_unique<EngineLink>(io_, program_, std::vector<std::string>{"--probe"},
                                         static_cast<EngineLink::Handler&>(*this));
    return true;
  } catch (const std::system_error& error) {
    lost(error.what());
    return false;
  }
}

void Probe::refuse(EngineLink::OnAnswer on_answer) {
  asio::post(io_, alive_.guard([on_answer = std::move(on_answer)] {
    EngineAnswer answer;
    answer.error.emplace(wire::Code::engine_lost,
                         "the probe that reads models is being restarted; try again shortly");
    on_answer(answer);
  }));
}

void Probe::watch_oldest() {
  if (sent_.empty()) {
    answer_timer_.cancel();
    return;
  }
  answer_timer_.expires_at(sent_.begin()->second + answer_limit_);
  answer_timer_.async_wait(alive_.guard([this](const boost::system::error_code& error) {
    if (!error && link_)
      link_->kill(fmt::format("it owes an answer for {} ms", answer_limit_.count()));
  }));
}

void Probe::on_engine_end(const std::string& how) {
  link_.reset();
  answer_timer_.cancel();
  lost(how);
}

void Probe::lost(const std::string& reason) {
  const auto wait = backoff_.lost(clock_.now()).value_or(Backoff::kLongest);
  log_.error(messages::kProbeLost,
             {{"REASON", reason}, {"RETRY_MS", std::to_string(wait.count())}});
  waiting_ = true;
  restart_timer_.expires_after(wait);
  restart_timer_.async_wait(alive_.guard([this](const boost::system::error_code& error) {
    if (error) return;
    waiting_ = false;
    if (ensure_running() && on_restart_) on_restart_();
  }));
}

}  // namespace gpumodel::broker

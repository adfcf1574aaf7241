#include "broker/engine.hpp"
#include "wire/version.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "broker/log_messages.hpp"

namespace gpumodel::broker {
namespace {

// From exec to the answer of `start`; libtorch takes seconds from a cold disk.
constexpr std::chrono::seconds kStartLimit{60};

// An answer's result as a struct; an engine that answers nonsense is an engine error.
template <class Result>
Result result_of(const EngineAnswer& answer) {
  return wire::decode<Result>(*answer.result);
}

}  // namespace

Engine::Engine(asio::io_context& io, const DaemonClock& clock, const Log& log, std::string program,
               Device device, EngineEvents& events)
    : io_(io),
      clock_(clock),
      log_(log),
      program_(std::move(program)),
      device_(std::move(device)),
      events_(events),
      start_limit_(io),
      heart_timer_(io) {}

std::optional<pid_t> Engine::pid() const {
  return link_ && link_->pid() != 0 ? std::optional(link_->pid()) : std::nullopt;
}

void Engine::start() {
  is_ready_ = stopping_ = false;
  try {
    link_ = std::make_unique<EngineLink>(io_, program_, std::vector<std::string>{},
                                         static_cast<EngineLink::Handler&>(*this));
  } catch (const std::system_error& error) {
    // As an event of its own, as every other loss is.
    asio::post(io_, alive_.guard([this, reason = std::string(error.what())] { lost(reason); }));
    return;
  }
  wire::StartParams params;
  params.version = wire::build_version();
  params.device = {device_.name, device_.kind};
  params.capacity_bytes = device_.capacity_bytes;
  params.threads = device_.threads;
  link_->request("start", params, [this](const EngineAnswer& answer) { on_started(answer); });
  start_limit_.expires_after(kStartLimit);
  start_limit_.async_wait(alive_.guard([this](const boost::system::error_code& error) {
    if (!error && link_) link_->kill("it did not start in time");
  }));
}

void Engine::on_started(const EngineAnswer& answer) {
  start_limit_.cancel();
  if (!link_) return;
  if (answer.error) {
    if (answer.error->code != wire::Code::engine_lost) link_->kill(answer.error->message);
    return;  // on_engine_end follows
  }
  const auto result = result_of<wire::StartResult>(answer);
  is_ready_ = true;
  resident_bytes_ = result.resident_bytes;
  log_.info(messages::kEngineRuns, {{"DEVICE", device_.name},
                                    {"PID", std::to_string(result.pid)},
                                    {"BACKEND", result.backend},
                                    {"THREADS", std::to_string(result.threads)}});
  heart_.emplace(device_.hang_timeout, std::chrono::steady_clock::now());
  watch_heart();
  events_.engine_ready(device_.id);
}

void Engine::watch_heart() {
  if (!heart_ || !link_ || link_->is_over()) return;
  const auto now = std::chrono::steady_clock::now();
  if (const auto failure = heart_->failure(now)) return link_->kill(*failure);
  if (!heart_->is_owed()) {
    heart_->asked(now);
    link_->request("pulse", wire::Empty{}, [this](const EngineAnswer& answer) {
      if (!answer.error && heart_)
        heart_->answered(result_of<wire::PulseResult>(answer), std::chrono::steady_clock::now());
    });
  }
  heart_timer_.expires_after(heart_->interval());
  heart_timer_.async_wait(alive_.guard([this](const boost::system::error_code& error) {
    if (!error) watch_heart();
  }));
}

void Engine::stop() {
  stopping_ = true;
  start_limit_.cancel();
  heart_timer_.cancel();
  if (link_) return link_->hang_up();
  asio::post(io_, alive_.guard([this] { events_.engine_stopped(device_.id); }));
}

void Engine::on_engine_end(const std::string& how) {
  link_.reset();
  heart_.reset();
  heart_timer_.cancel();
  is_ready_ = false;
  resident_bytes_.reset();
  loads_.clear();
  fills_.clear();
  users_running_ = 0;  // an answer that could not be read was not counted
  start_limit_.cancel();
  if (stopping_) {
    log_.info(messages::kEngineStopped, {{"DEVICE", device_.name}});
    return events_.engine_stopped(device_.id);
  }
  lost(how);
}

void Engine::lost(const std::string& reason) {
  const auto retry_after = backoff_.lost(clock_.now());
  log_.error(retry_after ? messages::kEngineLost : messages::kDeviceFailed,
             {{"DEVICE", device_.name}, {"REASON", reason}});
  events_.engine_lost(device_.id, retry_after, reason);
}

void Engine::load(const wire::LoadParams& params, os::Fd image) {
  const core::ResidentId resident{params.weights};
  if (!link_ || link_->is_over()) return;  // it was just lost, and with it the load
  const auto on_answer = [this, resident](const EngineAnswer& answer) {
    on_load_answer(resident, answer);
  };
  loads_[resident] = link_->request("load", params, on_answer, {}, std::move(image));
}

void Engine::load_adapter(const wire::LoadAdapterParams& params) {
  const core::ResidentId resident{params.adapter};
  if (!link_ || link_->is_over()) return;
  loads_[resident] = link_->request(
      "load_adapter", params,
      [this, resident](const EngineAnswer& answer) { on_load_answer(resident, answer); });
}

void Engine::on_load_answer(core::ResidentId resident, const EngineAnswer& answer) {
  loads_.erase(resident);
  if (!answer.error) {
    const auto result = result_of<wire::LoadResult>(answer);
    resident_bytes_ = result.resident_bytes;
    events_.load_done(resident, result);
  } else if (answer.error->code != wire::Code::engine_lost) {
    events_.load_failed(resident, *answer.error);
  }
}

void Engine::cancel_load(core::ResidentId resident) {
  const auto load = loads_.find(resident);
  if (link_ && load != loads_.end()) link_->cancel(load->second);
}

void Engine::unload(core::ResidentId resident) {
  if (!link_ || link_->is_over()) return;
  wire::UnloadParams params;
  params.weights = resident.value;
  link_->request("unload", params, [this, resident](const EngineAnswer& answer) {
    if (!answer.error) {
      const auto result = result_of<wire::UnloadResult>(answer);
      resident_bytes_ = result.resident_bytes;
      events_.unload_done(resident, result);
    } else if (answer.error->code != wire::Code::engine_lost) {
      // What it holds now is anybody's guess; a new process holds nothing.
      link_->kill(fmt::format("it cannot unload: {}", answer.error->message));
    }
  });
}

void Engine::fill(core::WeightsId weights, wire::FillParams params, os::Fd image) {
  if (!link_ || link_->is_over()) return;
  params.weights = ++last_fill_;
  const auto on_answer = [this, weights](const EngineAnswer& answer) {
    fills_.erase(weights);
    if (!answer.error) {
      events_.fill_done(weights, result_of<wire::FillResult>(answer));
    } else if (answer.error->code != wire::Code::engine_lost) {
      events_.fill_failed(weights, *answer.error);
    }
  };
  fills_[weights] = link_->request("fill", params, on_answer, {}, std::move(image));
}

void Engine::cancel_fill(core::WeightsId weights) {
  const auto fill = fills_.find(weights);
  if (link_ && fill != fills_.end()) link_->cancel(fill->second);
}

void Engine::measure() {
  if (!link_ || !is_ready_ || link_->is_over()) return;
  link_->request("measure", wire::Empty{}, [this](const EngineAnswer& answer) {
    if (!answer.error) resident_bytes_ = result_of<wire::MeasureResult>(answer).resident_bytes;
  });
}

void Engine::kill(const std::string& reason) {
  if (link_) link_->kill(reason);
}

std::optional<std::uint32_t> Engine::generate(const wire::EngineGenerateParams& params,
                                              EngineLink::OnAnswer on_answer,
                                              EngineLink::OnChunk on_chunk) {
  if (!link_ || !is_ready_ || link_->is_over()) return std::nullopt;
  if (users_running_++ == 0) events_.engine_busy(device_.id);
  const auto ended = [this, on_answer = std::move(on_answer)](const EngineAnswer& answer) {
    on_answer(answer);
    if (--users_running_ == 0) events_.engine_idle(device_.id);
  };
  return link_->request("generate", params, ended, std::move(on_chunk));
}

std::optional<std::uint32_t> Engine::generate_aside(const wire::EngineGenerateParams& params,
                                                    EngineLink::OnAnswer on_answer) {
  if (!link_ || !is_ready_ || link_->is_over()) return std::nullopt;
  return link_->request("generate", params, std::move(on_answer));
}

void Engine::cancel(std::uint32_t request) {
  if (link_) link_->cancel(request);
}

void Engine::on_engine_notification(const std::string& method, const msgpack::object& params) {
  if (method != "load.progress") return;
  const auto progress = wire::decode<wire::LoadProgress>(params);
  if (progress.total_bytes == 0 || progress.weights > kFirstFillId) return;
  const double fraction =
      static_cast<double>(progress.done_bytes) / static_cast<double>(progress.total_bytes);
  events_.load_progress({progress.weights}, static_cast<float>(std::min(fraction, 1.0)));
}

}  // namespace gpumodel::broker

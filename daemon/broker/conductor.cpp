#include "broker/conductor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

namespace gpumodel::broker {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace

Conductor::Conductor(asio::io_context& io, const DaemonClock& clock, const Log& log,
                     const core::CoreConfig& config, Catalog& catalog, std::string engine_program)
    : io_(io),
      clock_(clock),
      log_(log),
      catalog_(catalog),
      engine_program_(std::move(engine_program)),
      core_(config),
      host_cache_bytes_(config.host_cache_bytes),
      loads_(io, log, catalog, static_cast<Loads::Outcomes&>(*this)),
      wake_(io) {}

void Conductor::add_device(const DeviceConfig& device, std::uint32_t threads,
                           std::chrono::milliseconds hang_timeout) {
  const core::DeviceId id{engines_.size() + 1};
  engines_.push_back(std::make_unique<Engine>(
      io_, clock_, log_, engine_program_,
      Engine::Device{id, device.name, device.kind, device.memory_bytes, threads, hang_timeout},
      static_cast<EngineEvents&>(*this)));
  decide([&](core::Core& core, core::Time now) {
    return core.add_device(now, {id, device.name, device.memory_bytes, device.reserve_bytes});
  });
}

std::vector<core::DeviceId> Conductor::devices_named(const std::vector<std::string>& names) const {
  std::vector<core::DeviceId> ids;
  for (const std::string& name : names)
    for (const auto& engine : engines_)
      if (engine->device().name == name) ids.push_back(engine->device().id);
  return ids;
}

void Conductor::require_devices(const std::vector<core::ModelId>& models) const {
  for (const core::ModelId id : models) {
    const ModelConfig& config = catalog_.at(id).config;
    if (devices_named(config.devices).empty())
      throw wire::Error(
          wire::Code::device,
          fmt::format("model {} has no usable device; configure one, e.g. [devices.cpu], or see "
                      "the daemon's log for why it is missing",
                      config.name));
  }
}

void Conductor::stop_engines() {
  for (const auto& engine : engines_)
    if (engine->pid()) engine->stop();
}

bool Conductor::engines_run() const {
  return std::any_of(engines_.begin(), engines_.end(),
                     [](const auto& engine) { return engine->pid().has_value(); });
}

void Conductor::carry_out(core::Effects effects) {
  for (core::Effect& effect : effects) to_do_.push_back(std::move(effect));
  if (carrying_out_) return;
  carrying_out_ = true;
  while (!to_do_.empty()) {
    const core::Effect effect = std::move(to_do_.front());
    to_do_.pop_front();
    carry_out_one(effect);
  }
  carrying_out_ = false;
}

void Conductor::carry_out_one(const core::Effect& effect) {
  std::visit(Overloaded{
                 [&](const core::StartEngine& start) { engine(start.device).start(); },
                 [&](const core::StopEngine& stop) { engine(stop.device).stop(); },
                 [&](const core::Load& load) { loads_.load(load); },
                 [&](const core::CancelLoad& cancel) { loads_.cancel(cancel); },
                 [&](const core::Unload& unload) { loads_.unload(unload); },
                 [&](const core::FillImage& fill) { loads_.fill(fill); },
                 [&](const core::CancelFill& cancel) { loads_.cancel_fill(cancel.weights); },
                 [&](const core::DropImage& drop) { loads_.drop(drop.weights); },
                 [&](const core::ReadMemory& read) { read_memory_(read.device); },
                 [&](const core::Granted& granted) { answers_->granted(granted); },
                 [&](const core::Released& released) { answers_->released(released); },
                 [&](const core::Usable& usable) { answers_->usable(usable); },
                 [&](const core::Refused& refused) { answers_->refused(refused); },
                 [&](const core::Progress& progress) { answers_->progress(progress); },
                 [&](const core::Prefetched& prefetched) { answers_->prefetched(prefetched); },
                 [&](const core::Yielded& yielded) { answers_->yielded(yielded); },
                 [&](const core::LeaseEnded& ended) { answers_->lease_ended(ended); },
                 [&](const core::Suspended& suspended) { answers_->suspended(suspended.lease); },
                 [&](const core::Resumed& resumed) { answers_->resumed(resumed.lease); },
                 [&](const core::Happened& happened) { answers_->happened(happened); },
                 [&](const core::WakeAt& wake) { wake_at(wake.at); },
             },
             effect);
}

void Conductor::wake_at(std::optional<core::Time> at) {
  if (!at) {
    wake_.cancel();
    return;
  }
  wake_.expires_at(clock_.when(*at));
  wake_.async_wait([this](const boost::system::error_code& error) {
    if (!error) decide([](core::Core& core, core::Time now) { return core.tick(now); });
  });
}

}  // namespace gpumodel::broker

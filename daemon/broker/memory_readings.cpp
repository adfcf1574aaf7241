#include "broker/memory_readings.hpp"

#include <memory>

namespace gpumodel::broker {

MemoryReadings::MemoryReadings(asio::io_context& io, Conductor& conductor, Probe& probe)
    : io_(io), conductor_(conductor), probe_(probe) {
  conductor_.read_memory_with([this](core::DeviceId device) { read(device); });
}

void MemoryReadings::read(core::DeviceId id) {
  const Engine::Device& device = conductor_.engine(id).device();
  const std::uint64_t number = awaited_[id] = ++last_;
  wire::MemoryParams params;
  params.device = {device.name, device.kind};
  params.capacity_bytes = device.capacity_bytes;
  for (const auto& engine : conductor_.engines())
    if (const auto pid = engine->pid()) params.pids.push_back(*pid);
  params.image_bytes = conductor_.unmapped_image_bytes();
  const auto limit = std::make_shared<asio::steady_timer>(io_);
  limit->expires_after(kAnswerWithin);
  limit->async_wait(alive_.guard([this, id, number](const boost::system::error_code& error) {
    if (!error) answer(id, number, std::nullopt);
  }));
  const auto on_answer = [this, id, number, limit](const EngineAnswer& reply) {
    limit->cancel();
    if (reply.error) return answer(id, number, std::nullopt);
    auto result = wire::decode<wire::MemoryResult>(*reply.result);
    Reading& reading = readings_[id];
    if (number < reading.number) return;
    reading = {number, {}};
    for (wire::MemoryHolder& holder : result.holders)
      reading.holders.push_back(
          {holder.pid, holder.user.empty() ? std::nullopt : std::optional(std::move(holder.user)),
           std::move(holder.command), holder.bytes});
    answer(id, number, result.foreign_bytes);
  };
  probe_.request("memory", params, on_answer);
}

void MemoryReadings::answer(core::DeviceId device, std::uint64_t number,
                            std::optional<std::uint64_t> foreign_bytes) {
  const auto found = awaited_.find(device);
  if (found == awaited_.end() || found->second != number) return;
  awaited_.erase(found);
  conductor_.decide([&](core::Core& core, core::Time now) {
    return core.memory_read(now, device, foreign_bytes);
  });
  // For `status`, and behind the load that waited for this.
  conductor_.engine(device).measure();
}

std::vector<wire::ForeignHolder> MemoryReadings::holders(
    const std::vector<core::DeviceId>& devices) const {
  const Reading* newest = nullptr;
  for (const core::DeviceId device : devices) {
    const auto found = readings_.find(device);
    if (found != readings_.end() && (newest == nullptr || found->second.number > newest->number))
      newest = &found->second;
  }
  return newest != nullptr ? newest->holders : std::vector<wire::ForeignHolder>{};
}

}  // namespace gpumodel::broker

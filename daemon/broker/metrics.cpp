#include "broker/metrics.hpp"

#include <algorithm>

namespace gpumodel::broker {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

constexpr microseconds kWaitBounds[] = {1ms, 10ms, 50ms, 100ms, 250ms, 500ms, 1s,  2500ms,
                                        5s,  10s,  30s,  60s,   120s,  300s,  600s};
constexpr microseconds kLoadBounds[] = {5ms, 10ms,   25ms, 50ms, 100ms, 250ms, 500ms,
                                        1s,  2500ms, 5s,   10s,  30s,   60s,   300s};
constexpr microseconds kUnloadBounds[] = {1ms,   2500us, 5ms, 10ms,   25ms, 50ms, 100ms,
                                          250ms, 500ms,  1s,  2500ms, 5s,   10s,  30s};
constexpr microseconds kAnswerBounds[] = {1ms, 5ms,    10ms, 25ms, 50ms, 100ms, 250ms, 500ms,
                                          1s,  2500ms, 5s,   10s,  30s,  60s,   120s,  240s};
constexpr microseconds kTokenBounds[] = {1ms,  2500us, 5ms,  10ms,  15ms,  20ms,  25ms, 30ms,
                                         40ms, 50ms,   75ms, 100ms, 200ms, 500ms, 1s};

microseconds us(std::uint64_t count) {
  // What an engine says: more than a day is no duration.
  constexpr std::uint64_t kMost = 86'400ull * 1'000'000;
  return microseconds(static_cast<microseconds::rep>(std::min(count, kMost)));
}

template <class Counts>
Counts& grown(std::vector<Counts>& all, std::uint64_t id) {
  if (all.size() < id) all.resize(id);
  return all[id - 1];
}

template <class Counts>
const Counts* found(const std::vector<Counts>& all, std::uint64_t id) {
  return id != 0 && id <= all.size() ? &all[id - 1] : nullptr;
}

}  // namespace

namespace bounds {
constexpr Histogram::Bounds kWait = kWaitBounds;
constexpr Histogram::Bounds kLoad = kLoadBounds;
constexpr Histogram::Bounds kUnload = kUnloadBounds;
constexpr Histogram::Bounds kAnswer = kAnswerBounds;
constexpr Histogram::Bounds kToken = kTokenBounds;
}  // namespace bounds

void Histogram::observe(Duration value) {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  ++counts_[static_cast<std::size_t>(bound - bounds_.begin())];
  ++count_;
  sum_ += value;
}

std::uint64_t Histogram::count_up_to(std::size_t bound) const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= bound; ++i) count += counts_[i];
  return count;
}

Finish finish_of(std::string_view text) {
  for (const Finish finish : {Finish::stop, Finish::length, Finish::cancelled, Finish::deadline})
    if (text == word(finish)) return finish;
  return Finish::other;
}

const char* word(Finish finish) {
  switch (finish) {
    case Finish::stop:
      return "stop";
    case Finish::length:
      return "length";
    case Finish::cancelled:
      return "cancelled";
    case Finish::deadline:
      return "deadline";
    case Finish::disconnected:
      return "disconnected";
    case Finish::other:
      return "other";
  }
  return "";
}

const char* word(Breach breach) {
  switch (breach) {
    case Breach::framing:
      return "framing";
    case Breach::request_id:
      return "request_id";
    case Breach::first_message:
      return "first_message";
    case Breach::output:
      return "output";
  }
  return "";
}

Metrics::Metrics(const std::vector<std::string_view>& methods) {
  methods_.push_back({"none", 0, {}});
  methods_.push_back({"unknown", 0, {}});
  for (const std::string_view name : methods) methods_.push_back({name, 0, {}});
}

ModelCounts& Metrics::of(core::ModelId model) { return grown(models_, model.value); }
DeviceCounts& Metrics::of(core::DeviceId device) { return grown(devices_, device.value); }

const ModelCounts* Metrics::find(core::ModelId model) const { return found(models_, model.value); }
const DeviceCounts* Metrics::find(core::DeviceId device) const {
  return found(devices_, device.value);
}

void Metrics::granted(const core::Granted& granted) {
  for (const core::GrantedLease& lease : granted.leases) {
    ModelCounts& model = of(lease.model);
    ++model.granted;
    model.lease_wait.observe(granted.waited);
  }
}

void Metrics::happened(const core::Happened& happened) {
  using enum core::Happened::Type;
  switch (happened.type) {
    case engine_started:
      ++of(happened.device).engine_starts;
      break;
    case engine_lost:
    case device_failed:
      ++of(happened.device).engine_losses;
      break;
    case image_filled:
      ++filled_images_;
      break;
    case image_dropped:
      ++dropped_images_;
      break;
    default:  // told otherwise, or about a model
      if (happened.model) model_happened(happened);
  }
}

void Metrics::model_happened(const core::Happened& happened) {
  using enum core::Happened::Type;
  ModelCounts& model = of(happened.model);
  switch (happened.type) {
    case released:
    case revoked:
      ++model.ended;
      break;
    case suspended:
      ++model.suspended;
      break;
    case resumed:
      ++model.resumed;
      break;
    case evicting:
      ++model.evicted;
      break;
    case loaded:
      model.loaded_bytes += happened.bytes;
      (happened.is_adapter                      ? model.adapter_load
       : happened.image == core::HostImage::use ? model.load_from_host
                                                : model.load_from_disk)
          .observe(happened.took);
      break;
    case load_failed:
      ++model.failed_loads;
      break;
    case unloaded:
      model.unload.observe(happened.took);
      model.freed_bytes += happened.bytes;
      model.residual_bytes += happened.residual_bytes;
      break;
    case residual:
      ++model.residuals;
      break;
    default:  // a step on the way, or told otherwise
      break;
  }
}

void Metrics::generation_finished(core::ModelId model, Finish finish) {
  ++of(model).finished[static_cast<std::size_t>(finish)];
}

void Metrics::generation_failed(core::ModelId model, wire::Code code) {
  of(model).failed.add(code);
}

void Metrics::generation_used(core::ModelId id, const wire::Usage& usage, core::Time waited) {
  ModelCounts& model = of(id);
  model.prompt_tokens += usage.prompt_tokens;
  model.cached_tokens += usage.cached_tokens;
  model.output_tokens += usage.output_tokens;
  model.queue.observe(waited + us(usage.queue_us));
  model.whole.observe(waited + us(usage.total_us));
  if (usage.output_tokens == 0) return;
  model.first_token.observe(waited + us(usage.first_token_us));
  if (usage.output_tokens == 1 || usage.total_us < usage.first_token_us) return;
  model.per_token.observe(us((usage.total_us - usage.first_token_us) / (usage.output_tokens - 1)));
}

}  // namespace gpumodel::broker

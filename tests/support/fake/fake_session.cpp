#include "support/fake/fake_session.hpp"

#include <unistd.h>

#include "wire/version.hpp"

namespace gpumodel::test {
namespace {

using std::chrono::milliseconds;
using wire::Code;
using wire::Error;

constexpr std::uint64_t kOwnBytes = 10u << 20;
constexpr milliseconds kProgressEvery{50};

[[noreturn]] void throw_image_bad() {
  Error error(Code::model_bad, "the image's checksum is not that of its fill");
  error.detail = wire::encode(wire::ImageFault{true});
  throw error;
}

// A complete image, as a load that uses it finds it.
void check_image(const FakeImage& image, const wire::LoadImage& params, const FakeModel& model) {
  if (params.verify && (model.fail == "verify" || image.checksum() != params.checksum))
    throw_image_bad();
  // A real engine would not notice; it is for the test that the broker mixed images up.
  if (!params.verify && !image.holds_weights())
    throw Error(Code::internal, "the image that was used does not hold these weights");
}

FakeModel read_for_load(const std::string& path, const std::string& identity) {
  FakeModel model = read_fake_model(path);
  if (model.fail == "model_bad") throw Error(Code::model_bad, "model.safetensors: made to fail");
  if (identity != model.identity)
    throw Error(Code::model_bad, "the files changed since they were inspected");
  return model;
}

}  // namespace

FakeSession::FakeSession(engine::server::Channel& channel, bool is_probe)
    : is_probe_(is_probe), outlet_(channel), probe_(outlet_), generations_(outlet_) {}

void FakeSession::on_frame(const wire::Frame& frame, os::Fd fd) {
  if (frame.kind == wire::Frame::Kind::notification) {
    if (frame.method == "cancel") cancel(wire::decode<wire::CancelParams>(frame.params).request);
    return;
  }
  if (frame.kind != wire::Frame::Kind::request) return;
  try {
    if (is_probe_) return probe_.request(frame);
    on_request(frame, std::move(fd));
  } catch (const Error& error) {
    outlet_.fail(frame.id, error);
  }
}

void FakeSession::on_request(const wire::Frame& frame, os::Fd fd) {
  const std::uint32_t id = frame.id;
  if (frame.method == "start") return start(id, wire::decode<wire::StartParams>(frame.params));
  if (!started_) throw Error(Code::state, "start comes first");
  if (frame.method == "load")
    return load(id, wire::decode<wire::LoadParams>(frame.params), std::move(fd));
  if (frame.method == "load_adapter")
    return load_adapter(id, wire::decode<wire::LoadAdapterParams>(frame.params));
  if (frame.method == "fill")
    return fill(id, wire::decode<wire::FillParams>(frame.params), std::move(fd));
  if (frame.method == "unload") return unload(id, wire::decode<wire::UnloadParams>(frame.params));
  if (frame.method == "generate")
    return generate(id, wire::decode<wire::EngineGenerateParams>(frame.params));
  if (frame.method == "measure") return measure(id);
  if (frame.method == "pulse") return outlet_.answer(id, generations_.pulse());
  throw Error(Code::unsupported, "no method " + frame.method);
}

void FakeSession::start(std::uint32_t id, const wire::StartParams& params) {
  if (started_) throw Error(Code::state, "started already");
  if (params.version != wire::build_version())
    throw Error(Code::version, "this engine is version " + std::string(wire::build_version()));
  started_ = params;
  outlet_.answer(id, wire::StartResult{params.version, ::getpid(), "fake", 1, resident_bytes()});
}

void FakeSession::load(std::uint32_t id, const wire::LoadParams& params, os::Fd fd) {
  Reading reading;
  reading.model = read_for_load(params.path, params.identity);
  const FakeModel& model = reading.model;
  const Weights weights{model, params.kv_bytes};
  check_room(weights);
  reading.weights = params.weights;
  reading.takes = model.load_ms;
  if (params.image) {
    reading.image.emplace(std::move(fd), params.image->bytes, model.identity);
    reading.fills_image = params.image->mode == wire::kImageFill;
    if (!reading.fills_image) {
      if (model.fail == "crash_use") crash();
      check_image(*reading.image, *params.image, model);
      reading.takes = model.use_ms;
    }
  }
  begin_load(id, std::move(reading), weights);
}

// An adapter is a folder like a model's, of which the tensors count.
void FakeSession::load_adapter(std::uint32_t id, const wire::LoadAdapterParams& params) {
  read_fake_model(params.path);
  Reading reading;
  reading.model = read_for_load(params.adapter_path, params.identity);
  reading.model.workspace_bytes = 0;
  reading.weights = params.adapter;
  reading.takes = reading.model.load_ms;
  const Weights weights{reading.model, 0};
  check_room(weights);
  begin_load(id, std::move(reading), weights);
}

void FakeSession::check_room(const Weights& weights) const {
  if (weights.model.fail == "crash") crash();
  std::uint64_t held = weights.bytes();
  for (const auto& [number, other] : weights_) held += other.bytes();
  if (weights.model.fail == "nomem" || held > started_->capacity_bytes)
    throw Error(Code::nomem, "the device's memory does not hold these weights");
}

void FakeSession::begin_load(std::uint32_t id, Reading reading, const Weights& weights) {
  weights_[reading.weights] = weights;
  reading.begun = reading.reported = Clock::now();
  readings_.emplace(id, std::move(reading));
}

void FakeSession::fill(std::uint32_t id, const wire::FillParams& params, os::Fd fd) {
  Reading reading;
  reading.model = read_for_load(params.path, params.identity);
  reading.weights = params.weights;
  reading.takes = reading.model.load_ms;
  reading.image.emplace(std::move(fd), params.image_bytes, reading.model.identity);
  reading.fills_image = true;
  reading.is_load = false;
  reading.begun = reading.reported = Clock::now();
  readings_.emplace(id, std::move(reading));
}

bool FakeSession::advance(std::uint32_t id, Reading& reading, Clock::time_point now) {
  const FakeModel& model = reading.model;
  if (model.fail == "hang") return false;
  const auto passed = now - reading.begun;
  const double fraction =
      passed >= reading.takes ? 1.0 : std::chrono::duration<double>(passed) / reading.takes;
  if (reading.fills_image && model.fail == "crash_fill" && fraction >= 0.5) {
    reading.image->fill(0.5);
    crash();
  }
  if (passed >= reading.takes) {
    end_reading(id, reading);
    return true;
  }
  if (now - reading.reported >= kProgressEvery) {
    reading.reported = now;
    const auto done =
        static_cast<std::uint64_t>(fraction * static_cast<double>(model.tensor_bytes));
    outlet_.notify("load.progress", wire::LoadProgress{reading.weights, done, model.tensor_bytes});
  }
  return false;
}

void FakeSession::end_reading(std::uint32_t id, const Reading& reading) {
  const FakeModel& model = reading.model;
  std::optional<std::uint64_t> checksum;
  if (reading.fills_image) {
    reading.image->fill(1.0);
    checksum = reading.image->checksum();
  }
  const std::uint64_t ms = microseconds_since(reading.begun) / 1000;
  if (!reading.is_load) return outlet_.answer(id, wire::FillResult{*checksum, ms});
  Weights& weights = weights_.at(reading.weights);
  weights.ready = true;
  outlet_.answer(id, wire::LoadResult{model.tensor_bytes, weights.kv_bytes, model.workspace_bytes,
                                      ms, resident_bytes(), checksum});
}

const FakeSession::Weights& FakeSession::ready_weights(std::uint64_t id) const {
  const auto found = weights_.find(id);
  if (found == weights_.end() || !found->second.ready)
    throw Error(Code::state, "no such weights are loaded");
  return found->second;
}

void FakeSession::unload(std::uint32_t id, const wire::UnloadParams& params) {
  const Weights weights = ready_weights(params.weights);
  generations_.cancel_all(params.weights);
  weights_.erase(params.weights);
  const auto begun = Clock::now();
  outlet_.later(weights.model.unload_ms, [this, id, weights, begun] {
    const std::uint64_t left = weights.model.residual_bytes;
    leaked_bytes_ += left;
    outlet_.answer(id, wire::UnloadResult{weights.bytes(), weights.bytes() - left, left,
                                          microseconds_since(begun) / 1000, resident_bytes()});
  });
}

void FakeSession::generate(std::uint32_t id, wire::EngineGenerateParams params) {
  const FakeModel& model = ready_weights(params.weights).model;
  const std::string voice = params.adapter ? ready_weights(*params.adapter).model.voice() : "";
  generations_.begin(id, model, voice, std::move(params));
}

void FakeSession::cancel(std::uint32_t id) {
  if (generations_.cancel(id)) return;
  const auto found = readings_.find(id);
  if (found == readings_.end()) return;
  if (found->second.is_load) weights_.erase(found->second.weights);
  readings_.erase(found);
  outlet_.fail(id, Error(Code::interrupted, "the load was cancelled"));
}

void FakeSession::measure(std::uint32_t id) {
  wire::MeasureResult result;
  result.resident_bytes = resident_bytes();
  for (const auto& [number, weights] : weights_)
    if (weights.ready) result.weights.push_back({number, weights.bytes()});
  outlet_.answer(id, result);
}

milliseconds FakeSession::tick() {
  const auto now = Clock::now();
  advance_all(readings_,
              [&](std::uint32_t id, Reading& reading) { return advance(id, reading, now); });
  generations_.advance(now);
  outlet_.run_due(now);
  const bool idle = readings_.empty() && generations_.empty() && outlet_.idle();
  return idle ? engine::server::Channel::kForever : milliseconds(1);
}

std::uint64_t FakeSession::resident_bytes() const {
  std::uint64_t bytes = kOwnBytes + leaked_bytes_;
  for (const auto& [number, weights] : weights_) bytes += weights.bytes();
  return bytes;
}

}  // namespace gpumodel::test

#include "engine/server/engine_server.hpp"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "engine/memory/process.hpp"
#include "engine/server/dtype_check.hpp"
#include "engine/server/unload_report.hpp"
#include "wire/version.hpp"

namespace gpumodel::engine::server {
namespace {

using wire::Code;
using wire::Error;

// A load is bound by the disk and by memory; more threads than these only get in the step's way.
constexpr unsigned kMaxLoadThreads = 4;
// Of tokenizer files; in memory a tokenizer takes some times its file.
constexpr std::uint64_t kCachedTextBytes = 8u << 20;
// Enough that a prompt is prepared while loads run and another prompt takes long.
constexpr unsigned kWorkers = 4;
// Lengthy jobs leave one of them idle: constraints are compiled one after the other.
constexpr unsigned kCompilers = 2;
constexpr std::chrono::milliseconds kProgressEvery{50};

// load.progress, at most one every kProgressEvery.
auto progress_reporter(Channel& channel, std::uint64_t weights) {
  return [&channel, weights, next = Clock::time_point()](std::uint64_t done,
                                                         std::uint64_t total) mutable {
    const auto now = Clock::now();
    if (now < next) return;
    next = now + kProgressEvery;
    std::string message;
    wire::append_notification(message, "load.progress", wire::LoadProgress{weights, done, total});
    channel.send(message);
  };
}

// Nobody uses the resident any more.
template <class Resident>
void run_release(std::shared_ptr<Resident> resident, const ReplyPtr& reply) {
  try {
    if (resident == nullptr) throw Error(Code::state, "these weights are not loaded");
    const auto begun = Clock::now();
    wire::UnloadResult result = resident->release();
    resident.reset();
    memory::trim_heap();
    result.ms = milliseconds_since(begun);
    result.resident_bytes = memory::process_resident_bytes();
    reply->succeed(result);
  } catch (...) {
    reply->fail(to_wire_error(std::current_exception()));
  }
}

}  // namespace

EngineServer::EngineServer(Channel& channel, BackendFactory make_backend)
    : channel_(channel), make_backend_(std::move(make_backend)), texts_(kCachedTextBytes) {}

EngineServer::~EngineServer() {
  requests_.stop_all();
  // They hand work to each other: all threads end before any of the objects does.
  if (steps_ != nullptr) steps_->stop();
  for (const auto* pool : {&workers_, &compilers_})
    if (*pool != nullptr) (*pool)->stop();
}

void EngineServer::serve() {
  const auto handler = [this](const wire::Frame& frame, os::Fd fd) {
    on_frame(frame, std::move(fd));
  };
  while (channel_.serve_once(Channel::kForever, handler)) {
  }
}

void EngineServer::on_frame(const wire::Frame& frame, os::Fd fd) {
  if (frame.kind == wire::Frame::Kind::notification) return on_notification(frame);
  if (frame.kind != wire::Frame::Kind::request) return;
  ReplyPtr reply;
  try {
    reply = std::make_shared<Reply>(channel_, requests_, frame.id);
  } catch (const Error& error) {
    // Nothing was opened: this is the one answer.
    std::string message;
    wire::append_error_response(message, frame.id, error);
    channel_.send(message);
    return;
  }
  try {
    on_request(frame, std::move(fd), reply);
  } catch (...) {
    reply->fail(to_wire_error(std::current_exception()));
  }
}

void EngineServer::on_notification(const wire::Frame& frame) {
  if (frame.method != "cancel") return;
  try {
    const auto params = wire::decode<wire::CancelParams>(frame.params);
    if (requests_.request_stop(params.request) && steps_ != nullptr) steps_->notify();
  } catch (const Error&) {
    // A notification has no answer; one without a usable id cancels nothing.
  }
}

void EngineServer::on_request(const wire::Frame& frame, os::Fd fd, const ReplyPtr& reply) {
  if (frame.method == "start") return start(wire::decode<wire::StartParams>(frame.params), reply);
  if (steps_ == nullptr) throw Error(Code::state, "start comes first");
  if (frame.method == "load")
    return load(wire::decode<wire::LoadParams>(frame.params), std::move(fd), reply);
  if (frame.method == "load_adapter")
    return load_adapter(wire::decode<wire::LoadAdapterParams>(frame.params), reply);
  if (frame.method == "fill")
    return fill(wire::decode<wire::FillParams>(frame.params), std::move(fd), reply);
  if (frame.method == "unload")
    return unload(wire::decode<wire::UnloadParams>(frame.params), reply);
  if (frame.method == "generate")
    return generate(wire::decode<wire::EngineGenerateParams>(frame.params), reply);
  if (frame.method == "measure") return measure(reply);
  if (frame.method == "pulse")
    return reply->succeed(wire::PulseResult{steps_->steps(), steps_->is_stepping()});
  throw Error(Code::unsupported, "the engine has no method " + frame.method);
}

void EngineServer::start(const wire::StartParams& params, const ReplyPtr& reply) {
  if (steps_ != nullptr) throw Error(Code::state, "the engine is started already");
  if (params.version != wire::build_version())
    throw Error(Code::version, "this engine is version " + std::string(wire::build_version()) +
                                   ", the broker is " + params.version);
  if (params.device.kind != "cpu")
    throw Error(Code::device, "this engine runs on devices of kind cpu only");
  threads_ =
      params.threads != 0 ? params.threads : std::max(1u, std::thread::hardware_concurrency());
  std::unique_ptr<device::Backend> backend = make_backend_(static_cast<int>(threads_));
  budget_ = std::make_unique<memory::Budget>(params.capacity_bytes);
  steps_ = std::make_unique<StepLoop>(channel_, std::move(backend));
  workers_ = std::make_unique<WorkerPool>(kWorkers);
  compilers_ = std::make_unique<WorkerPool>(kCompilers);
  reply->succeed(wire::StartResult{std::string(wire::build_version()), ::getpid(),
                                   steps_->backend_name(), threads_,
                                   memory::process_resident_bytes()});
}

model::LoadOptions EngineServer::load_options(std::uint64_t id, const ReplyPtr& reply) {
  return {.threads = std::min(threads_, kMaxLoadThreads),
          .stop = reply->stop(),
          .progress = progress_reporter(channel_, id),
          .gives_way = [this] { return steps_->is_stepping(); }};
}

void EngineServer::load(wire::LoadParams params, os::Fd image, const ReplyPtr& reply) {
  check_dtype(params.dtype);
  const std::uint64_t id = params.weights;
  // Jobs are copied around.
  const auto request = std::make_shared<LoadRequest>(
      LoadRequest{std::move(params), std::move(image), load_options(id, reply)});
  models_.begin_load(id);
  workers_->submit(WorkerPool::Length::lengthy,
                   [this, request, reply] { run_load(*request, reply); });
}

void EngineServer::fill(wire::FillParams params, os::Fd image, const ReplyPtr& reply) {
  check_dtype(params.dtype);
  const auto memfd = std::make_shared<os::Fd>(std::move(image));
  workers_->submit(WorkerPool::Length::lengthy, [this, params = std::move(params), memfd, reply] {
    try {
      reply->succeed(fill_host_image(params, *memfd, load_options(params.weights, reply)));
    } catch (...) {
      reply->fail(to_wire_error(std::current_exception()));
    }
  });
}

void EngineServer::run_load(const LoadRequest& request, const ReplyPtr& reply) {
  const std::uint64_t id = request.params.weights;
  try {
    const auto model = ResidentModel::load(*budget_, texts_, request);
    if (reply->stop().stop_requested()) throw model::LoadInterrupted();
    steps_->add_model(model, [this, id, model, reply](std::exception_ptr failure) {
      models_.end_load(id, failure == nullptr ? model : nullptr);
      if (failure != nullptr) return reply->fail(to_wire_error(failure));
      wire::LoadResult result = model->report();
      result.resident_bytes = memory::process_resident_bytes();
      reply->succeed(result);
    });
  } catch (...) {
    models_.end_load(id, nullptr);
    memory::trim_heap();
    reply->fail(to_wire_error(std::current_exception()));
  }
}

void EngineServer::load_adapter(const wire::LoadAdapterParams& params, const ReplyPtr& reply) {
  adapters_.begin_load(params.adapter);
  workers_->submit(WorkerPool::Length::lengthy, [this, params, reply] {
    try {
      const auto adapter =
          ResidentAdapter::load(*budget_, params, load_options(params.adapter, reply));
      if (reply->stop().stop_requested()) throw model::LoadInterrupted();
      adapters_.end_load(params.adapter, adapter);
      wire::LoadResult result = adapter->report();
      result.resident_bytes = memory::process_resident_bytes();
      reply->succeed(result);
    } catch (...) {
      adapters_.end_load(params.adapter, nullptr);
      reply->fail(to_wire_error(std::current_exception()));
    }
  });
}

void EngineServer::unload(const wire::UnloadParams& params, const ReplyPtr& reply) {
  // Unmapping takes its time, too much for the step thread.
  if (adapters_.knows(params.weights)) {
    const auto adapter = adapters_.begin_unload(params.weights);
    return steps_->remove_adapter(adapter, [this, adapter, reply] {
      workers_->submit(WorkerPool::Length::brief,
                       [adapter, reply]() mutable { run_release(std::move(adapter), reply); });
    });
  }
  models_.begin_unload(params.weights);
  steps_->remove_model(params.weights, [this, reply](std::shared_ptr<ResidentModel> model) {
    workers_->submit(WorkerPool::Length::brief,
                     [model, reply]() mutable { run_release(std::move(model), reply); });
  });
}

void EngineServer::measure(const ReplyPtr& reply) {
  workers_->submit(WorkerPool::Length::brief, [this, reply] {
    try {
      wire::MeasureResult result;
      for (const ModelUse& model : models_.use_all())
        result.weights.push_back({model->id(), model->resident_bytes()});
      for (const AdapterUse& adapter : adapters_.use_all())
        result.weights.push_back({adapter->id(), adapter->resident_bytes()});
      result.resident_bytes = memory::process_resident_bytes();
      reply->succeed(result);
    } catch (...) {
      reply->fail(to_wire_error(std::current_exception()));
    }
  });
}

}  // namespace gpumodel::engine::server
